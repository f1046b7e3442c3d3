"""One book kernel, two drivers: the same bits from any cut, nothing from the future, nothing of a lost book."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features.book_drivers import KEPT_MOMENTS, REACH_S, BookStream, combine, compute_book
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.market_events import BAR, BOOK, GAP, INVALID, TRADE, MarketEvents
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from tests.core.features.book_markets import book_market, minutes_of, seconds_of
from tests.core.features.markets import market

seeds = st.integers(0, 2**32)
paces = st.sampled_from([0.01, 0.3, 2.0])
BOOK_COLUMNS = [name for name in BOOK_V1.names if not name.startswith(("signed", "trade_", "realized"))]


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def tell(stream: BookStream, events: MarketEvents, i: int) -> None:
    """One recorded event, as the live engine is told it: views of a book of the levels that there are."""
    ts, kind = int(events.ts[i]), events.kind[i]
    if kind == BOOK:
        held = [int((side[i] > 0).sum()) for side in (events.bid_quantities, events.ask_quantities)]
        bids, asks = slice(held[0]), slice(held[1])
        stream.take_book(
            ts, events.bid_prices[i][bids], events.bid_quantities[i][bids], events.ask_prices[i][asks],
            events.ask_quantities[i][asks],
        )  # fmt: skip
    elif kind == TRADE:
        numbers = (
            int(column[i]) for column in (events.exchange_ts, events.price, events.quantity, events.side)
        )
        stream.take_trade(ts, *numbers)
    elif kind == INVALID:
        stream.lose_book()
    elif kind == GAP:
        stream.lose_trades()
    elif kind == BAR:
        stream.row_at(int(events.exchange_ts[i]) + MINUTE_NS)


def streamed(events: MarketEvents, moments: np.ndarray) -> np.ndarray:
    """Rows of whole minutes, asked for when the next book or trade has come."""
    stream, rows, due = BookStream(MINUTE_NS), [], 0
    for i in range(len(events)):
        tell(stream, events, i)
        while due < len(moments) and moments[due] <= events.ts[i] and events.kind[i] in {BOOK, TRADE}:
            rows.append(stream.row_at(int(moments[due])))
            due += 1
    return np.array(rows + [stream.row_at(int(moment)) for moment in moments[due:]])


@settings(max_examples=15, deadline=None)
@given(seeds, paces)
def test_batch_equals_stream_bit_for_bit(seed, pace):
    events = book_market(seed, 800, pace_s=pace)
    moments = minutes_of(events)[-KEPT_MOMENTS:]
    assert same_bits(compute_book(events, moments, MINUTE_NS).values, streamed(events, moments))


@settings(max_examples=10, deadline=None)
@given(seeds, paces)
def test_every_update_of_the_stream_equals_the_batch_cut_there(seed, pace):
    events = book_market(seed, 300, pace_s=pace)
    stream = BookStream(MINUTE_NS)
    for i in range(len(events)):
        tell(stream, events, i)
        if i % 29 == 0:
            moment = np.array([max(int(events.ts[i]), stream.time_ns) + 1])
            until = compute_book(
                events[: i + 1], np.concatenate((minutes_of(events[: i + 1])[:-1], moment)), MINUTE_NS
            )
            assert same_bits(until.values[-1], stream.row(int(moment[0])))


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.1, 0.9))
def test_a_stream_begun_anywhere_gives_the_same_bits_once_it_is_warm(seed, cut):
    events = book_market(seed, 1_500, pace_s=1.0, losses=0.0002, silences=0.0)
    start = int(len(events) * cut)
    moments = seconds_of(events[start:], 7)
    whole = compute_book(events, moments, MINUTE_NS).values
    part = compute_book(events[start:], moments, MINUTE_NS).values
    known = np.isfinite(part)
    assert same_bits(part[known], whole[known])
    settled = moments > events.ts[start] + (REACH_S + 2) * SECOND_NS
    trades = [
        BOOK_V1.index(name) for name in BOOK_V1.names if name.startswith(("signed", "trade_", "realized"))
    ]
    assert same_bits(part[settled][:, trades], whole[settled][:, trades])


def loss_comes_first(events: MarketEvents, moment: int) -> bool:
    """Whether a loss is told at the moment or later, and before anything that settles the moment's row."""
    for i in range(int(np.searchsorted(events.ts, moment, side="left")), len(events)):
        if events.kind[i] != BAR or events.exchange_ts[i] + MINUTE_NS >= moment:
            return events.kind[i] in {INVALID, GAP}
    return False


@settings(max_examples=10, deadline=None)
@example(2199, 0.53515625)  # the first event of the moment tells that trades were lost
@given(seeds, st.floats(0.2, 0.8))
def test_no_row_sees_what_was_received_at_its_moment_or_later(seed, cut):
    events, other = book_market(seed, 600), book_market(seed + 1, 600)
    moment = int(events.ts[int(len(events) * cut)])
    moments = np.array([moment])
    before = events[: int(np.searchsorted(events.ts, moment, side="left"))]
    later = other[int(np.searchsorted(other.ts, moment, side="left")) :]
    joined = {
        name: np.concatenate((column, later.arrays()[name])) for name, column in before.arrays().items()
    }
    # a bar delivered before its end, by a venue whose clock is ahead, ends its moment early
    mixed = MarketEvents("kraken", "BTC/USD", 1, 8, **joined)
    (alone,) = compute_book(before, moments, MINUTE_NS).values
    for told in (events, mixed):
        (row,) = compute_book(told, moments, MINUTE_NS).values
        # a loss takes values away, and gives none
        kept = np.isfinite(row) if loss_comes_first(told, moment) else np.full(len(row), True)
        assert same_bits(row[kept], alone[kept])


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_features_do_not_know_the_decimals_of_the_venue(seed):
    events = book_market(seed, 400, pace_s=1.5)
    scaled = {
        name: column * (16 if "price" in name else 1024 if "quantit" in name else 1)
        for name, column in events.arrays().items()
    }
    other = MarketEvents("kraken", "BTC/USD", 3, 11, **scaled)
    moments = seconds_of(events, 20)
    one, two = (compute_book(each, moments, MINUTE_NS).values for each in (events, other))
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def a_book(stream: BookStream, ts: int, bid: int = 100, ask: int = 102) -> bool:
    prices, sizes = np.arange(3), np.array([5, 4, 3])
    return stream.take_book(ts, bid - prices, sizes, ask + prices, sizes)


def watched(seconds: int) -> BookStream:
    """A stream that was told a book every second and one trade in the first."""
    stream = BookStream(MINUTE_NS)
    for second in range(seconds):
        a_book(stream, (1_000 + second) * SECOND_NS)
    stream.take_trade((1_000 + seconds) * SECOND_NS, 0, 101, 7, 1)
    return stream


def test_a_lost_book_has_no_features_until_it_was_observed_anew():
    stream = watched(400)
    now = 1_401 * SECOND_NS
    assert stream.ready
    assert np.isfinite(stream.row(now)).all()
    stream.lose_book()
    assert not stream.ready
    row = dict(zip(BOOK_V1.names, stream.row(now), strict=True))
    assert {name for name, value in row.items() if np.isnan(value)} == set(BOOK_COLUMNS)
    a_book(stream, now)
    row = dict(zip(BOOK_V1.names, stream.row(now + 30 * SECOND_NS), strict=True))
    assert row["spread_pct"] == pytest.approx(100 * 2 / 101)
    assert np.isfinite(row["order_flow_imbalance_10s"])
    assert np.isnan(row["order_flow_imbalance_60s"])


def test_lost_trades_take_only_the_features_of_trades():
    stream = watched(400)
    stream.lose_trades()
    row = dict(zip(BOOK_V1.names, stream.row(1_401 * SECOND_NS), strict=True))
    unknown = {name for name, value in row.items() if np.isnan(value)}
    assert unknown == set(BOOK_V1.names) - set(BOOK_COLUMNS) | {"traded_depth_60s"}


@pytest.mark.parametrize(("bid", "ask"), [(102, 102), (103, 102)])
def test_a_book_without_a_spread_counts_as_lost(bid, ask):
    stream = watched(400)
    assert not a_book(stream, 1_402 * SECOND_NS, bid, ask)
    assert np.isnan(stream.row(1_402 * SECOND_NS)[0])


def test_a_clock_set_back_starts_the_stream_anew_and_forgets_its_moments():
    stream = watched(400)
    assert stream.row_at(1_380 * SECOND_NS)[BOOK_V1.index("book_updates_60s")] == 1
    a_book(stream, 1_000 * SECOND_NS)
    assert stream.time_ns == 1_000 * SECOND_NS
    assert not stream.ready
    assert np.isnan(stream.row_at(1_020 * SECOND_NS)[BOOK_V1.index("mid_return_60s")])
    assert stream.row_at(1_380 * SECOND_NS)[BOOK_V1.index("book_updates_60s")] == 0


def test_a_clock_that_trembles_keeps_the_stream():
    stream = watched(400)
    a_book(stream, 1_398 * SECOND_NS)
    assert stream.ready
    assert stream.time_ns == 1_400 * SECOND_NS


@pytest.mark.parametrize(
    ("price", "quantity", "side"), [(0, 1, 1), (1, 0, 1), (1, -1, -1), (1, 1, 0), (1, 1, 2)]
)
def test_a_trade_that_is_none_is_refused_and_changes_nothing(price, quantity, side):
    stream, other = watched(320), watched(320)
    with pytest.raises(DataError, match="trade refused at 1970-01-01T00:22:01"):
        stream.take_trade(1_321 * SECOND_NS, 0, price, quantity, side)
    assert same_bits(stream.row(1_322 * SECOND_NS), other.row(1_322 * SECOND_NS))


def test_a_batch_names_the_row_of_a_refused_trade():
    events = book_market(3, 50)
    row = int(np.flatnonzero(events.kind == TRADE)[2])
    events.quantity[row] = 0
    with pytest.raises(DataError, match=rf"kraken BTC/USD, row {row}: trade refused"):
        compute_book(events, minutes_of(events), MINUTE_NS)


def test_a_silent_market_keeps_its_book_and_empties_its_windows():
    stream = watched(400)
    row = dict(zip(BOOK_V1.names, stream.row(3_000 * SECOND_NS), strict=True))
    assert np.isfinite(list(row.values())).all()
    for name in ("trade_intensity_300s", "signed_volume_10s", "realized_volatility_300s", "mid_return_300s"):
        assert row[name] == 0
    assert row["order_flow_imbalance_300s"] == 0
    assert row["trade_intensity_ratio_60s_300s"] == 1
    assert row["spread_pct"] == pytest.approx(100 * 2 / 101)


def test_rows_of_moments_long_past_are_unknown():
    stream = watched(10)
    a_book(stream, 10**6 * SECOND_NS)
    assert np.isnan(stream.row_at(1_020 * SECOND_NS)).all()
    assert np.isfinite(stream.row_at(999_960 * SECOND_NS)[0])


def test_the_combined_set_is_the_bar_and_the_book_at_its_close():
    candles = market(5, 300)
    events = book_market(5, 300)
    bars = compute(candles)
    book = compute_book(events, candles.ts + MINUTE_NS, MINUTE_NS)
    both = combine(bars, book)
    assert both.schema is CANDLES_BOOK_V1
    assert CANDLES_BOOK_V1.names == CANDLES_V1.names + BOOK_V1.names
    assert same_bits(np.ascontiguousarray(both.values[:, : len(CANDLES_V1)]), bars.values)
    assert same_bits(both.column("spread_pct"), book.column("spread_pct"))
    with pytest.raises(DataError, match="300 rows of bars and 299 of books"):
        combine(bars, book[1:])
    with pytest.raises(SchemaMismatchError):
        combine(book, bars)


def test_a_schema_of_another_revision_is_refused():
    with pytest.raises(SchemaMismatchError, match="no kernel computes feature set 'candles-v1'"):
        BookStream(MINUTE_NS, CANDLES_V1)
