"""When a candle is final, on messages as Kraken sends them."""

from decimal import Decimal

import pytest

from gal_friday_adapters.kraken.ohlc import CandleTracker
from gal_friday_core.candles import Series
from gal_friday_core.kraken.wire import decode
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso, to_iso

SERIES = Series("kraken", "BTC/USD", "1m")
START = from_iso("2024-03-01")


def candle(minute, close="30000.10", trades=3, symbol="BTC/USD", interval=1):
    """As decoded from the wire; `minute` counts from the start."""
    wire = (
        '{"channel":"ohlc","type":"update","data":['
        f'{{"symbol":"{symbol}","open":30000.00,"high":30001.50,"low":29999.9,"close":{close},"vwap":30000.3,'
        f'"trades":{trades},"volume":{"0.0" if not trades else "1.23456789"},'
        f'"interval_begin":"{to_iso(START + minute * MINUTE_NS)}","interval":{interval},"timestamp":"x"}}]}}'
    )
    return decode(wire.encode()).data[0]


def tracker():
    return CandleTracker((SERIES,), 3 * SECOND_NS)


def minutes(finals):
    return [(bar.timestamp_bar_start - START) // MINUTE_NS for bar in finals]


def test_numbers_keep_the_digits_of_the_wire():
    assert candle(0).close == Decimal("30000.10")
    assert str(candle(0).close) == "30000.10"
    assert str(candle(0).volume) == "1.23456789"


def test_a_candle_is_final_when_a_later_one_begins():
    known = tracker()
    assert minutes(known.update(candle(0, "30001.0"))) == []
    assert minutes(known.update(candle(0, "30000.5"))) == []
    (final,) = known.update(candle(1))
    assert (final.close, final.closed) == (Decimal("30000.5"), True)


def test_minutes_without_trades_are_skipped_not_invented():
    known = tracker()
    list(known.update(candle(0)))
    assert minutes(known.update(candle(7))) == [0]
    assert minutes(known.update(candle(8, trades=0))) == []
    assert minutes(known.update(candle(9))) == [7]


def test_a_candle_is_final_when_the_clock_has_passed_its_end_by_the_grace():
    known = tracker()
    list(known.update(candle(0)))
    assert known.next_due_ns() == START + MINUTE_NS + 3 * SECOND_NS
    assert minutes(known.expire(START + MINUTE_NS + 3 * SECOND_NS - 1)) == []
    assert minutes(known.expire(START + MINUTE_NS + 3 * SECOND_NS)) == [0]
    assert known.next_due_ns() is None


def test_what_comes_after_a_candle_was_final_is_counted_and_changes_nothing():
    known = tracker()
    list(known.update(candle(0)))
    list(known.expire(START + 2 * MINUTE_NS))
    assert minutes(known.update(candle(0, "29999.9"))) == []
    assert minutes(known.update(candle(1))) == []
    assert minutes(known.update(candle(0))) == []
    assert known.late == 2


def test_a_snapshot_after_a_reconnect_fills_the_hole_once():
    known = tracker()
    finals = [minutes(known.update(candle(number))) for number in (0, 1, 2)]
    again = [minutes(known.update(candle(number))) for number in (0, 1, 2, 3, 4)]
    assert [minute for found in finals + again for minute in found] == [0, 1, 2, 3]


@pytest.mark.parametrize("changes", [{"symbol": "ETH/USD"}, {"interval": 5}])
def test_candles_of_other_series_are_ignored(changes):
    known = tracker()
    list(known.update(candle(0)))
    assert minutes(known.update(candle(1, **changes))) == []
