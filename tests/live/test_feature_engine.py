"""Live features equal the tables they were trained on, and are not there when the market is not known."""

import asyncio
import logging
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import concatenate
from gal_friday_core.errors import ExchangeError
from gal_friday_core.features.book_drivers import combine, compute_book
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.market_events import BAR, BOOK, GAP, INVALID, TRADE
from gal_friday_core.payloads import MarketDataTrade
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.feature_engine import FeatureEngine
from gal_friday_live.feeds import bars
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.ids import SequentialIds
from gal_friday_live.tasks import TaskSupervisor
from tests.core.features.book_markets import book_market
from tests.live.world import SERIES, manager, market


@dataclass
class RecordedBook:
    """One recorded book, as the live client hands it over."""

    bid_prices: np.ndarray
    bid_quantities: np.ndarray
    ask_prices: np.ndarray
    ask_quantities: np.ndarray
    price_decimals: int = 1
    qty_decimals: int = 8

    def columns(self):
        return self.bid_prices, self.bid_quantities, self.ask_prices, self.ask_quantities


class Desk:
    """A feature engine on a bus, its rows by schema, and what it asks the exchange for."""

    def __init__(self, tmp_path=None, history=None, source=None, **features):
        self.clock = SimulatedClock(0)
        self.bus, self.tasks = PubSubManager(self.clock, SequentialIds()), TaskSupervisor()
        config = manager(features=features) if features else manager()
        self.lake = CandleLake(tmp_path) if tmp_path else None
        self.asked, self.source = [], source
        service = tmp_path and HistoricalDataService(
            config, lake=self.lake, clock=self.clock, download=self.download
        )
        self.engine = FeatureEngine(
            config, self.bus, series=[SERIES], history={SERIES: history} if history is not None else None,
            historical=service or None, tasks=self.tasks,
        )  # fmt: skip
        self.rows = []
        self.bus.subscribe("FEATURES_CALCULATED", self.keep)

    def keep(self, event):
        self.rows.append(event.payload)

    def download(self, series, lake, *, since_ns, now_ns):
        self.asked.append(since_ns)
        if self.source is None:
            raise ExchangeError("nobody answers")
        lake.write(self.source.between(since_ns, now_ns()))

    async def hear(self, candles):
        for bar in bars(candles):
            self.clock.advance_to(bar.timestamp_bar_start + MINUTE_NS)
            for sink in self.engine.sinks:
                sink.on_candle(bar)
            await self.bus.publish("MARKET_DATA_OHLCV", bar)

    async def settled(self):
        """Until no bar waits for the past."""
        await asyncio.gather(*self.tasks._listening)

    def matrix(self, schema):
        chosen = [row.features.values for row in self.rows if row.features.schema is schema]
        return np.array(chosen).reshape(-1, len(schema))


def same_bits(one, other):
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def tell(sink, events, i):
    """One recorded event to a market sink."""
    ts, kind = int(events.ts[i]), events.kind[i]
    if kind == BOOK:
        held = [int((side[i] > 0).sum()) for side in (events.bid_quantities, events.ask_quantities)]
        sides = [events.bid_prices, events.bid_quantities, events.ask_prices, events.ask_quantities]
        book = RecordedBook(*(side[i][: held[n // 2]] for n, side in enumerate(sides)))
        sink.on_book("BTC/USD", book, ts, b"")
    elif kind == TRADE:
        trade = MarketDataTrade(
            trading_pair="BTC/USD", exchange="kraken", trade_id=str(events.trade_id[i]),
            side="BUY" if events.side[i] > 0 else "SELL", price=Decimal(int(events.price[i])).scaleb(-1),
            volume=Decimal(int(events.quantity[i])).scaleb(-8), timestamp_exchange=int(events.exchange_ts[i]),
        )  # fmt: skip
        sink.on_trades("BTC/USD", [trade], ts)
    elif kind == INVALID:
        sink.on_invalid("BTC/USD", "CHECKSUM")
    elif kind == GAP:
        sink.on_gap("BTC/USD", 3)


def without_bars(events):
    """The events but for the session's own bars; and candles of a market for each of its minutes."""
    keep = events.kind != BAR
    events = replace(events, **{name: column[keep] for name, column in events.arrays().items()})
    first, last = int(events.ts[0]) // MINUTE_NS, int(events.ts[-1]) // MINUTE_NS
    candles = market(int(last - first))
    return events, replace(candles, ts=np.arange(first, last) * MINUTE_NS)


async def played(desk, events, candles):
    """Both in the order of their times: a bar is told after its close, before anything later."""
    await desk.engine.start()
    due = 0
    for i in range(len(events)):
        while due < len(candles) and candles.ts[due] + MINUTE_NS <= events.ts[i]:
            await desk.hear(candles[due : due + 1])
            due += 1
        desk.clock.advance_to(max(int(events.ts[i]), desk.clock.now_ns()))
        for sink in desk.engine.sinks:
            tell(sink, events, i)
    await desk.hear(candles[due:])


async def test_the_default_is_the_candle_set_alone_bit_for_bit():
    candles = market(400)
    desk = Desk(history=candles[:300])
    await desk.engine.start()
    assert desk.engine.sinks == ()
    await desk.hear(candles[300:])
    assert same_bits(desk.matrix(CANDLES_V1), compute(candles).values[300:])
    assert {row.features.schema.name for row in desk.rows} == {"candles-v1"}
    assert desk.engine.is_warm(SERIES)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_set_equals_the_batch_over_the_recorded_session(seed):
    events, candles = without_bars(book_market(seed, 3_000, pace_s=0.4))
    desk = Desk(sets=["candles-v1", "candles-book-v1", "book-v1"])
    await played(desk, events, candles)
    closes = candles.ts + MINUTE_NS
    book, bar = compute_book(events, closes, MINUTE_NS), compute(candles)
    live, batch = desk.matrix(BOOK_V1), book.values
    told = np.isfinite(live).any(axis=1)
    assert told.sum() > len(live) / 2
    assert same_bits(live[told], batch[told]), "a row is the recorded session's, or not there at all"
    assert same_bits(desk.matrix(CANDLES_V1), bar.values)
    assert same_bits(desk.matrix(CANDLES_BOOK_V1)[told], combine(bar, book).values[told])


async def test_a_pair_whose_book_is_lost_has_no_features_of_it_and_keeps_those_of_its_bars():
    events, candles = without_bars(book_market(3, 2_000, pace_s=0.4, losses=0, silences=0))
    past = market(400)
    past = replace(past, ts=candles.ts[0] + np.arange(-400, 0) * MINUTE_NS)
    desk = Desk(history=past, sets=["candles-book-v1"])
    await played(desk, events, candles[:-1])
    assert np.isfinite(desk.rows[-1].features.values).all()
    assert desk.engine.is_warm(SERIES)
    for sink in desk.engine.sinks:
        sink.on_invalid("BTC/USD", "CHECKSUM")
    assert not desk.engine.is_warm(SERIES)
    await desk.hear(candles[-1:])
    row = desk.rows[-1].features
    assert np.isnan(row.values[len(CANDLES_V1) :]).all()
    assert np.isfinite(row.values[: len(CANDLES_V1)]).all()


async def test_book_features_come_between_bars_at_most_as_often_as_configured():
    events, _ = without_bars(book_market(4, 1_500, pace_s=0.05, losses=0, silences=0))
    desk = Desk(sets=["book-v1"], book_every_ms=500)
    await played(desk, events, market(0))
    moments = [row.timestamp_features_for for row in desk.rows]
    assert len(moments) > 30
    assert np.diff(moments).min() >= SECOND_NS // 2
    last = desk.rows[-1]
    assert last.features["spread_pct"] > 0
    newest = int(np.flatnonzero((events.kind == BOOK) & (events.ts <= moments[-1]))[-1])
    mid = (events.bid_prices[newest, 0] + events.ask_prices[newest, 0]) / 2
    assert last.reference_price == Decimal(float(mid)).scaleb(-1)


async def test_between_bars_a_combined_row_is_the_last_bar_and_the_book_now():
    events, candles = without_bars(book_market(4, 1_500, pace_s=0.2, losses=0, silences=0))
    past = market(400)
    past = replace(past, ts=candles.ts[0] + np.arange(-400, 0) * MINUTE_NS)
    desk = Desk(history=past, sets=["candles-book-v1"], book_every_ms=500)
    await played(desk, events, candles)
    closes, closed, between = set((candles.ts + MINUTE_NS).tolist()), None, 0
    for row in desk.rows:
        bar, book = np.split(row.features.values, [len(CANDLES_V1)])
        if row.timestamp_features_for in closes:
            closed = bar
            continue
        between += 1
        assert closed is not None, "nothing comes before the first bar has closed"
        assert same_bits(bar, closed)
        assert np.isfinite(book).any()
    assert between > 100


async def test_between_bars_no_combined_row_comes_before_the_bars_are_warm():
    events, _ = without_bars(book_market(4, 1_500, pace_s=0.05, losses=0, silences=0))
    desk = Desk(sets=["candles-book-v1"], book_every_ms=500)
    await played(desk, events, market(0))
    assert not desk.rows


async def test_a_pair_that_is_not_traded_is_not_listened_to():
    desk = Desk(sets=["book-v1"])
    await desk.engine.start()
    for sink in desk.engine.sinks:
        sink.on_book("ETH/USD", RecordedBook(*[np.array([1])] * 4), 1, b"")
        sink.on_trades("ETH/USD", [], 1)
        sink.on_invalid("ETH/USD", "STALE")
        sink.on_gap("ETH/USD", 0)
    assert not desk.rows


async def test_bars_missed_while_the_line_was_down_are_fetched_before_the_next_row(tmp_path):
    candles = market(1_200)
    desk = Desk(tmp_path, history=candles[:1_000], source=candles)
    await desk.engine.start()
    await desk.hear(candles[1_000:1_010])
    for sink in desk.engine.sinks:
        sink.on_status(connected=False, system="online", reason="closed by peer")
    await desk.hear(candles[1_040:1_041])
    await desk.settled()
    await desk.hear(candles[1_041:1_050])
    wanted = compute(candles).values
    assert same_bits(desk.matrix(CANDLES_V1), np.concatenate((wanted[1_000:1_010], wanted[1_040:1_050])))
    assert desk.asked == [int(candles.ts[1_010])]
    assert desk.engine.filled == 30


async def test_without_the_missed_bars_a_pair_has_no_features_until_the_exchange_answers(tmp_path, caplog):
    candles = market(1_200)
    desk = Desk(tmp_path, history=candles[:1_000])
    await desk.engine.start()
    with caplog.at_level(logging.WARNING):
        for row in range(1_005, 1_009):  # the first live bar is not the one after history's last
            await desk.hear(candles[row : row + 1])
            await desk.settled()
    assert desk.rows == []
    assert not desk.engine.is_warm(SERIES)
    assert "has no features: bars since 2024-03-01T16:40:00" in caplog.text
    desk.source = candles
    await desk.hear(candles[1_009:1_010])
    await desk.settled()
    assert same_bits(desk.matrix(CANDLES_V1), compute(candles).values[1_005:1_010])
    assert desk.engine.is_warm(SERIES)


async def test_a_minute_without_a_trade_is_no_gap(tmp_path):
    candles = market(1_200)
    thin = concatenate([candles[:1_010], candles[1_013:1_020]])
    desk = Desk(tmp_path, history=thin[:1_000], source=candles)
    await desk.engine.start()
    await desk.hear(thin[1_000:])
    assert desk.asked == []
    assert same_bits(desk.matrix(CANDLES_V1), compute(thin).values[1_000:])


async def test_history_is_brought_up_to_date_from_the_exchange(tmp_path):
    candles = market(2_000)
    desk = Desk(tmp_path, source=candles)
    desk.lake.write(candles[:1_500])
    desk.clock.advance_to(int(candles.ts[1_800]))
    service = desk.engine._historical
    history = await service.history(SERIES)
    assert len(history) == 1_024
    assert int(history.ts[-1]) == int(candles.ts[1_799])
    assert same_bits(compute(history).values[-1], compute(candles[:1_800]).values[-1])
    between = await service.between(SERIES, int(candles.ts[1_700]), int(candles.ts[1_705]))
    assert between.ts.tolist() == candles.ts[1_700:1_705].tolist()
    assert service.downloads == 2


async def test_history_is_the_lakes_where_the_exchange_does_not_answer(tmp_path, caplog):
    candles = market(2_000)
    desk = Desk(tmp_path)
    desk.lake.write(candles[:300])
    service = desk.engine._historical
    with caplog.at_level(logging.WARNING):
        assert len(await service.history(SERIES)) == 300
    assert "starts on stored history alone: nobody answers" in caplog.text
    with pytest.raises(ExchangeError, match="nobody answers"):
        await service.between(SERIES, 0, 1)
    assert service.failures == 2
