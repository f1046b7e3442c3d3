import itertools
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.kraken.nonce import RESERVE, Nonces
from gal_friday_core.errors import StorageError


@given(st.lists(st.integers(0, 2**63)))
def test_nonces_grow_whatever_the_clock_does(clock: list[int]):
    readings = iter(clock)
    nonces = Nonces(lambda: next(readings))
    given_out = [nonces.next() for _ in clock]
    assert all(later > earlier for earlier, later in itertools.pairwise(given_out))


def test_threads_never_share_a_nonce():
    nonces, taken, gate = Nonces(lambda: 5), [], threading.Barrier(8)

    def take() -> None:
        gate.wait(60)
        taken.append([nonces.next() for _ in range(500)])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    everything = [nonce for each in taken for nonce in each]
    assert len(set(everything)) == 4000
    assert all(each == sorted(each) for each in taken)


def test_a_restart_begins_above_every_nonce_of_the_run_before_even_with_the_clock_set_back(tmp_path: Path):
    file = tmp_path / "nonce"
    clock = [10 * RESERVE]
    first = Nonces(lambda: clock[0], file)
    used = []
    for _ in range(5):
        used.append(first.next())
        clock[0] += RESERVE // 2
    assert Nonces(lambda: 1, file).next() > max(used)


def test_the_file_is_written_about_once_a_reserve_and_not_for_every_nonce(tmp_path: Path):
    file = tmp_path / "nonce"
    nonces = Nonces(lambda: 1, file)
    nonces.next()
    written = file.stat().st_mtime_ns, file.stat().st_ino
    for _ in range(1000):
        nonces.next()
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == written


def test_a_damaged_file_and_one_that_cannot_be_written_are_said(tmp_path: Path):
    damaged = tmp_path / "damaged"
    damaged.write_text("twelve")
    with pytest.raises(StorageError, match="holds no nonce"):
        Nonces(lambda: 1, damaged)
    with pytest.raises(StorageError, match="cannot keep"):
        Nonces(lambda: 1, tmp_path / "no folder" / "nonce").next()
