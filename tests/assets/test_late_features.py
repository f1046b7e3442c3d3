"""Bars go on coming while a run trains: it learns from those that have features, and the next one from the rest."""

import dataclasses

import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_assets.feature_checks import faults
from gal_friday_assets.feature_store import (
    bars_with_features,
    compute_months,
    latest_rows,
    learnable,
    read_features,
    write_month,
)
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.features.candle_set import CANDLES_V1
from tests.assets.conftest import BARS, SERIES, market

A_DAY = 288
JANUARY = 12 * A_DAY


@pytest.fixture
def tables(lake: CandleLake) -> TableLake:
    return TableLake(lake_dir())


def refreshed(lake: CandleLake, tables: TableLake, candles: Candles) -> None:
    """The lake holds these bars, and features of all of them."""
    lake.write(candles)
    months = lake.months(SERIES)
    table = compute_months(candles, months, CANDLES_V1)
    for month in months:
        write_month(tables, candles, month, table)


@pytest.mark.parametrize("bars", [3_000, JANUARY], ids=["within a month", "as a month begins"])
def test_what_came_after_the_last_refresh_is_left_to_the_next_run(
    lake: CandleLake, tables: TableLake, bars: int
):
    candles = market(np.zeros(BARS))
    refreshed(lake, tables, candles[:bars])
    lake.write(candles[: bars + A_DAY])
    found = bars_with_features(lake, tables, SERIES)
    assert found.fingerprint() == candles[:bars].fingerprint()
    assert len(read_features(tables, found, CANDLES_V1).values) == bars
    assert faults(found, latest_rows(tables, SERIES, CANDLES_V1, 2_000, complete=False)) == []


def test_features_that_nobody_refreshed_for_days_stop_a_run(lake: CandleLake, tables: TableLake):
    candles = market(np.zeros(BARS))
    refreshed(lake, tables, candles[:3_000])
    lake.write(candles[: 3_000 + 3 * A_DAY])
    found = bars_with_features(lake, tables, SERIES)
    with pytest.raises(DataError, match=r"3,000 rows for 3,864 candles: materialise it"):
        read_features(tables, found, CANDLES_V1)


def test_a_correction_beside_new_bars_is_still_seen(lake: CandleLake, tables: TableLake):
    candles = market(np.zeros(BARS))
    refreshed(lake, tables, candles[:3_000])
    volume = candles.volume.copy()
    volume[2_900] += 1
    lake.write(dataclasses.replace(candles, volume=volume)[:3_100])
    found = bars_with_features(lake, tables, SERIES)
    with pytest.raises(DataError, match="2017-01 came from candles that were corrected"):
        read_features(tables, found, CANDLES_V1)


def test_a_refresh_between_bars_and_features_is_waited_out(
    lake: CandleLake, tables: TableLake, monkeypatch: pytest.MonkeyPatch
):
    candles = market(np.zeros(BARS))
    refreshed(lake, tables, candles[:3_000])
    turns = [3_100, 3_200]
    read = CandleLake.read

    def meanwhile(self, *arguments):
        found = read(self, *arguments)
        if turns:
            refreshed(lake, tables, candles[: turns.pop(0)])
        return found

    monkeypatch.setattr(CandleLake, "read", meanwhile)
    bars, table = learnable(lake, tables, SERIES)
    assert (len(bars), len(table.values)) == (3_200, 3_200)
    assert turns == []


def test_nothing_stored_is_said_by_whoever_reads(lake: CandleLake, tables: TableLake):
    lake.write(market(np.zeros(BARS))[:100])
    found = bars_with_features(lake, tables, SERIES)
    with pytest.raises(DataError, match="0 rows for 100 candles"):
        read_features(tables, found, CANDLES_V1)
