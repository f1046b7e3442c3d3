import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.continuity import longest_hole, why_broken, why_stale
from gal_friday_core.times import DAY_NS, HOUR_NS, from_iso

SERIES = Series("kraken", "BTC/USD", "1h")


def hours(*stretches: tuple[str, int]) -> Candles:
    """Hourly bars: so many from each moment on."""
    ts = np.concatenate([from_iso(start) + HOUR_NS * np.arange(count) for start, count in stretches])
    one = np.ones(len(ts))
    return Candles(SERIES, ts, one, one, one, one, one, np.ones(len(ts), np.int64))


def test_a_whole_series_has_no_hole():
    assert longest_hole(hours(("2022-01-01", 100))) is None
    assert longest_hole(hours(("2022-01-01", 1))) is None


def test_the_longest_hole_is_found_and_told_in_days():
    candles = hours(("2022-01-01", 24), ("2022-01-03", 24), ("2022-02-04", 24))
    hole = longest_hole(candles)
    assert hole is not None
    assert (hole.start_ns, hole.end_ns) == (from_iso("2022-01-04"), from_iso("2022-02-04"))
    assert str(hole) == "2022-01-04T00:00 to 2022-02-04T00:00 (31.0 days)"
    assert "2022-01-04T00:00 to 2022-02-04T00:00" in str(why_broken(candles, 14))
    assert why_broken(candles, 31) is None


def test_age_is_judged_by_the_close_of_the_newest_bar():
    now = from_iso("2022-01-02")
    assert why_stale(now - 30 * 60 * 10**9, now, 30) is None
    assert "31 minutes" in str(why_stale(now - 31 * 60 * 10**9, now, 30))
    assert "1,440 minutes" in str(why_stale(now - DAY_NS, now, 30))
    assert why_stale(None, now, 30) == "nothing is stored"
