"""Worker processes of dask: results, cancelling, data on machines that share no disk, and who may be spoken to."""

import math
import operator
import socket

import numpy as np
import pytest

from gal_friday_adapters import worker_pool
from gal_friday_adapters.shared_data import (
    mapped,
    model_files,
    packed,
    share_candles,
    share_model,
    sharing,
)
from gal_friday_adapters.worker_pool import ANY_PORT, Here, require_safe, worker_directory, workers
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.times import MINUTE_NS

SERIES = Series("kraken", "BTC/USD", "1m")


def candles(bars=500):
    ts = np.arange(bars, dtype=np.int64) * MINUTE_NS
    price = np.linspace(100.0, 200.0, bars)
    return Candles(SERIES, ts, price, price, price, price, price, np.full(bars, 3, np.int64))


def closes(shared):
    return float(mapped(shared, worker_directory()).close.sum())


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=0,
        scheduler_kwargs=ANY_PORT,
    ) as made:
        yield made.scheduler_address


def test_tasks_are_done_by_processes_of_this_machine():
    with workers(2) as made:
        assert made.count == 2
        found = dict(made.each(operator.neg, range(200)))
        assert found == {place: -place for place in range(200)}
        with pytest.raises(ValueError, match="math domain"):
            list(made.each(math.sqrt, [4.0, -1.0]))
        first = next(iter(made.each(math.sqrt, [9.0] * 1_000)))  # the rest is cancelled
        assert first[1] == 3.0
        assert dict(made.each(operator.neg, [5])) == {0: -5}


def test_the_port_of_our_own_dashboard_is_left_alone():
    with socket.socket() as dashboard:
        dashboard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            dashboard.bind(("127.0.0.1", 8787))
            dashboard.listen()
        except OSError:
            pass  # somebody has it already: just as well
        with workers(1) as made:  # a scheduler that wanted the port would warn, and warnings are errors
            assert dict(made.each(operator.neg, [5])) == {0: -5}


def test_a_cluster_without_a_common_disk_is_sent_the_data_once(cluster, monkeypatch):
    with sharing() as folder:
        one = share_candles(folder, candles())
        content = packed(one)
    monkeypatch.setattr(
        worker_pool, "packed", lambda _: content
    )  # the folder is gone, as it is on other machines
    with workers(scheduler=cluster) as made:
        assert made.count == 1
        made.hold([one])
        assert dict(made.each(closes, [one, one])) == {0: candles().close.sum(), 1: candles().close.sum()}


def test_one_worker_is_this_process():
    with workers(1) as made:
        assert isinstance(made, Here)
        assert list(made.each(operator.neg, [1, 2])) == [(0, -1), (1, -2)]
    assert worker_directory() is None


def test_candles_and_models_come_back_as_they_went_and_are_gone_afterwards():
    with sharing() as folder:
        one = share_candles(folder, candles())
        found = mapped(one)
        assert found.fingerprint() == candles().fingerprint()
        assert not found.close.flags.writeable
        files = {"manifest.json": b"{}", "model.ubj": b"\x00"}
        assert model_files(share_model(folder, "m@v1", files)) == files
    with pytest.raises(StorageError, match="are not in"):
        mapped(one)


@pytest.mark.parametrize(
    ("address", "tls", "reason"),
    [
        ("10.0.0.1:8786", False, "not a scheduler's address"),
        ("http://127.0.0.1:8786", False, "not a scheduler's address"),
        ("tcp://127.0.0.1", False, "not a scheduler's address"),
        ("tcp://10.0.0.1:8786", False, "plain TCP lets anybody"),
        ("tcp://10.0.0.1:8786", True, "plain TCP lets anybody"),
        ("tls://10.0.0.1:8786", False, "TLS needs --tls"),
    ],
)
def test_nobody_is_spoken_to_over_a_line_that_others_could_use(address, tls, reason):
    with pytest.raises(ConfigError, match=reason):
        require_safe(address, tls=tls)


def test_this_machine_and_tls_are_safe():
    require_safe("tcp://127.0.0.1:8786", tls=False)
    require_safe("tls://10.0.0.1:8786", tls=True)
