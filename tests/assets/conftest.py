import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from numpy.typing import NDArray

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import DATA_DIR_VARIABLE, lake_dir
from gal_friday_assets.partitions import PAIR
from gal_friday_core.candles import Candles, Series
from gal_friday_core.times import from_iso

SERIES = Series("kraken", "BTC/USD", "5m")


BARS = 5_000


def market(drift: NDArray[np.float64]) -> Candles:
    """Bars over the end of January and the begin of February whose log returns have this mean and some noise."""
    random = np.random.default_rng(11)
    close = 1_000 * np.exp(np.cumsum(drift + random.normal(0, 0.002, BARS)))
    open_ = np.concatenate(([1_000.0], close[:-1]))
    wick = np.exp(np.abs(random.normal(0, 0.001, BARS)))
    ts = from_iso("2017-01-20") + np.arange(BARS, dtype=np.int64) * SERIES.interval_ns
    return Candles(
        SERIES, ts, open_, np.maximum(open_, close) * wick, np.minimum(open_, close) / wick, close,
        random.uniform(1, 9, BARS), np.full(BARS, -1, dtype=np.int64),
    )  # fmt: skip


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, and nothing else of the product in the environment."""
    for name in [name for name in os.environ if name.startswith(("GAL_FRIDAY_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def lake(data_home: Path) -> CandleLake:
    return CandleLake(lake_dir())


@pytest.fixture
def series() -> Series:
    return SERIES


@pytest.fixture
def stored(lake: CandleLake) -> Candles:
    """A market without a pattern to learn: the gates must refuse what is trained on it."""
    candles = market(np.zeros(BARS))
    lake.write(candles)
    return candles


@pytest.fixture
def trending(lake: CandleLake) -> Candles:
    """A market that goes up for 60 bars and down for 60, plainly: whoever sees the trend earns."""
    candles = market(np.where(np.arange(BARS) // 60 % 2, -0.002, 0.002))
    lake.write(candles)
    return candles


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PAIR, [SERIES.key])
        yield instance
