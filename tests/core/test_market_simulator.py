import numpy as np
import pytest

from gal_friday_core.candle_quality import assess, row_faults
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.market_simulator import ANNUAL_VOLATILITY, simulate
from gal_friday_core.times import from_iso

SERIES = Series("synthetic", "BTC/USD", "1m")
START = from_iso("2024-01-01")


@pytest.fixture(scope="module")
def market():
    return simulate(SERIES, START, 120_000, seed=7)


def correlation(values, lag):
    return float(np.corrcoef(values[:-lag], values[lag:])[0, 1])


def test_the_same_seed_gives_the_same_bits_and_another_does_not(market):
    assert simulate(SERIES, START, 120_000, seed=7).fingerprint() == market.fingerprint()
    assert simulate(SERIES, START, 120_000, seed=8).fingerprint() != market.fingerprint()


def test_every_bar_is_well_formed_and_the_whole_is_plausible(market):
    assert row_faults(market) == {}
    assert assess(market).quarantine_reasons == ()


def test_some_minutes_are_missing_as_in_a_real_market(market):
    assert 0.01 < 1 - len(market) / 120_000 < 0.10


def test_returns_are_fat_tailed_clustered_and_without_memory_of_direction(market):
    returns = np.diff(np.log(market.close))
    assert np.mean((returns - returns.mean()) ** 4) / returns.var() ** 2 > 8
    assert correlation(np.abs(returns), 10) > 0.1
    assert correlation(np.abs(returns), 1_000) > 0.02
    assert abs(correlation(returns, 1)) < 0.02


def test_volatility_is_the_stated_one_and_volume_goes_with_movement(market):
    yearly = np.diff(np.log(market.close)).std() * np.sqrt(365 * 1440)
    assert yearly == pytest.approx(ANNUAL_VOLATILITY, rel=0.15)
    assert np.corrcoef(market.volume, np.abs(np.log(market.close / market.open)))[0, 1] > 0.1


def test_the_day_has_its_hours(market):
    hour = market.ts // 3_600_000_000_000 % 24
    assert market.trades[hour == 15].mean() > 1.5 * market.trades[hour == 4].mean()


def test_longer_bars_move_more_by_the_square_root_of_time(market):
    hours = simulate(Series("synthetic", "BTC/USD", "1h"), START, 8_000, seed=7)
    ratio = np.diff(np.log(hours.close)).std() / np.diff(np.log(market.close)).std()
    assert ratio == pytest.approx(np.sqrt(60), rel=0.25)


def test_a_real_venues_name_is_refused():
    with pytest.raises(DataError, match="must be of venue 'synthetic'"):
        simulate(Series("kraken", "BTC/USD", "1m"), START, 10, seed=1)
