"""Orders against recorded trades, one by one."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.frictions import Notes
from gal_friday_core.prints import Prints
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_core.trade_bars import bars_of_trades
from tests.core.test_exchange_frictions import INSTRUMENT, fills
from tests.core.trading import COSTS, PAIR, bar, order


def prints(*trades):
    """(second, price, quantity) each."""
    columns = [np.array([trade[place] for trade in trades], np.float64) for place in range(3)]
    return Prints.of((columns[0] * SECOND_NS).astype(np.int64), columns[1], columns[2])


def venue(recorded, **fidelity):
    made = SimulatedExchange(
        [INSTRUMENT], {"USD": Decimal(10_000), "BTC": Decimal(0)}, COSTS,
        fidelity=FidelityConfig(**fidelity), prints={PAIR: recorded},
    )  # fmt: skip
    made.notes = Notes()
    made.on_candle(bar(0, 100, 100, 100, 100))
    return made


def test_a_market_order_meets_the_first_trade_and_not_the_open():
    exchange = venue(prints((61, 102, 1), (62, 103, 1)))
    exchange.submit(order())
    (fill,) = fills(exchange.on_candle(bar(1, 102, 103, 102, 103)))
    assert (fill.last_price, fill.timestamp_exchange) == (Decimal(102) * Decimal("1.001"), 61 * SECOND_NS)
    assert exchange.notes.fills["a#1"].recorded


def test_an_order_on_its_way_meets_the_first_trade_after_it_came_in():
    exchange = venue(prints((61, 102, 1), (65, 103, 1)), latency_ms=3_000)
    exchange.submit(order())
    (fill,) = fills(exchange.on_candle(bar(1, 102, 103, 102, 103)))
    assert fill.last_price == Decimal(103) * Decimal("1.001")


@pytest.mark.parametrize(("trades", "leg"), [((100, 111, 89), "a-TP"), ((100, 89, 111), "a-SL")])
def test_which_of_stop_and_target_came_first_is_no_question_any_more(trades, leg):
    recorded = prints((61, 100, 1), *((120 + number, price, 1) for number, price in enumerate(trades)))
    exchange = venue(recorded)
    exchange.submit(order(stop_price=90, target_price=110))
    exchange.on_candle(bar(1, 100, 100, 100, 100))
    first, *_ = fills(exchange.on_candle(bar(2, trades[0], 111, 89, trades[-1])))
    assert first.client_order_id == leg


def test_a_stop_meets_the_trade_that_reached_it_even_beyond_its_trigger():
    exchange = venue(prints((61, 100, 1), (125, 87, 1)))
    exchange.submit(order(stop_price=90))
    exchange.on_candle(bar(1, 100, 100, 100, 100))
    (fill,) = fills(exchange.on_candle(bar(2, 100, 100, 87, 87)))
    assert (fill.last_price, fill.timestamp_exchange) == (Decimal(87) * Decimal("0.999"), 125 * SECOND_NS)


def test_no_order_takes_more_than_its_share_of_a_trade():
    exchange = venue(prints((61, 100, 2), (62, 100, 3)), participation="0.1")
    exchange.submit(order(quantity="1", stop_price=90))
    reports = exchange.on_candle(bar(1, 100, 100, 100, 100))
    assert [report.last_quantity for report in fills(reports)] == [Decimal("0.2")]


def test_a_bar_without_recorded_trades_is_met_whole():
    exchange = venue(prints((200, 100, 1)))
    exchange.submit(order())
    (fill,) = fills(exchange.on_candle(bar(1, 101, 103, 99, 100)))
    assert fill.last_price == Decimal(101) * Decimal("1.001")
    assert not exchange.notes.fills["a#1"].recorded


def test_trades_beyond_their_bars_are_counted():
    recorded = prints((61, 100, 1), (62, 105, 1), (130, 100, 1), (500, 1, 1))
    bars = bars_of_trades(
        Series("test", PAIR, "1m"), np.array([60, 120]) * SECOND_NS, np.array([100.0, 99.0]), np.ones(2)
    )
    assert recorded.beyond(bars) == 2


@pytest.mark.parametrize(
    "columns", [([1], [0.0], [1.0]), ([1], [np.nan], [1.0]), ([1], [1.0], [-1.0]), ([1, 2], [1.0], [1.0])]
)
def test_what_no_trade_can_be_is_refused(columns):
    ts, price, quantity = columns
    with pytest.raises(DataError):
        Prints.of(np.array(ts, np.int64), np.array(price), np.array(quantity))


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(95, 105)), min_size=1, max_size=20))
@settings(max_examples=40)
def test_every_fill_is_at_a_price_that_was_traded(trades):
    recorded = prints(*((60 + second, price, 1) for second, price in trades))
    low, high = min(price for _, price in trades), max(price for _, price in trades)
    exchange = venue(recorded)
    exchange.submit(order(stop_price=97, target_price=103))
    reports = fills(exchange.on_candle(bar(1, trades[0][1], high, low, trades[-1][1])))
    for report in reports:
        asked = exchange.notes.fills[report.execution_id].asked
        assert asked in {price for _, price in trades} | {103}
        assert MINUTE_NS <= report.timestamp_exchange < 2 * MINUTE_NS


def test_real_trades_lie_inside_the_bars_that_their_exchange_made_of_them(shared_data):
    trades = pl.read_parquet(shared_data / "trades" / "binance_XRPETH_2019-10.parquet")
    told = pl.read_parquet(shared_data / "ohlcv" / "binance_XRPETH_1m_ft.parquet")
    recorded = Prints.of(*(trades[name].to_numpy() for name in ("ts", "price", "qty")))
    columns = [told[name].to_numpy() for name in ("ts", "open", "high", "low", "close", "volume")]
    bars = Candles(Series("binance", "XRP/ETH", "1m"), *columns, np.zeros(len(told), np.int64))
    within = (recorded.ts >= bars.ts[0]) & (recorded.ts < bars.ts[-1] + MINUTE_NS)
    assert within.sum() > 12_000
    assert recorded.beyond(bars) == 0
