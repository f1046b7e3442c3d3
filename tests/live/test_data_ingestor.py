"""Books, trades and bars on their way to the bus: exact, in order, and never of a market that is not known."""

from collections import Counter
from decimal import Decimal

import pytest

from gal_friday_core.book import OrderBook
from gal_friday_core.payloads import MarketDataTrade
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.data_ingestor import BACKLOG, DataIngestor
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.wiring import build
from tests.adapters.kraken.heard import Heard
from tests.adapters.kraken.local_kraken import LocalBook, LocalKraken
from tests.live.test_services import Venue, bar
from tests.live.world import CALM, SERIES, START, manager, market, played, predictor

PAIR = SERIES.pair


class Market:
    """One book that changes and is handed over as the client hands it over."""

    def __init__(self, ingestor):
        self.ingestor = ingestor
        self.clock = SimulatedClock(START)
        self.venue = LocalKraken(self.clock)
        self.truth: LocalBook = self.venue.books[PAIR]
        self.book = OrderBook(PAIR, 10, *self.truth.decimals)
        self.take(self.venue.snapshot("book", PAIR).encode())

    def take(self, raw):
        self.book.apply_raw(raw)
        assert self.book.verified
        self.ingestor.on_book(PAIR, self.book, self.clock.now_ns(), raw)

    def change(self):
        bids, asks = self.truth.change()
        self.take(self.truth.message("update", bids, asks, self.venue.stamp()).encode())


class Follower:
    """Rebuilds the book from events alone."""

    def __init__(self, bus):
        self.sides, self.events, self.snapshots = ({}, {}), 0, 0
        bus.subscribe("MARKET_DATA_L2", self.take)

    async def take(self, event):
        levels = event.payload
        self.events += 1
        if levels.is_snapshot:
            self.snapshots += 1
            self.sides = ({}, {})
        for side, changed in zip(self.sides, (levels.bids, levels.asks), strict=True):
            for price, quantity in changed:
                side[price] = quantity
                if not quantity:
                    del side[price]

    def best(self, side):
        return sorted(self.sides[side].items(), reverse=side == 0)[:10]


@pytest.fixture
def bus():
    return PubSubManager(SimulatedClock(START), SequentialIds())


@pytest.fixture
def make(bus):
    class Silent:
        def __init__(self, live):
            self.live = live

        async def close(self):
            pass

    def ingestor(*, live=True, **ports):
        return DataIngestor(
            manager(), bus, feed=Silent(live), exchange=Venue(), tasks=TaskSupervisor(), **ports
        )

    return ingestor


def agrees(follower, market):
    told = [[(price, quantity) for price, quantity in follower.best(side)] for side in (0, 1)]
    return told == [[(level.price, level.qty) for level in levels] for levels in market.book.levels()]


async def test_whoever_follows_the_events_has_the_book_to_the_digit(bus, make):
    ingestor = make()
    await ingestor.start()
    follower = Follower(bus)
    market = Market(ingestor)
    for _ in range(50):
        market.change()
        await ingestor.drained()
        assert agrees(follower, market)
    assert (follower.events, follower.snapshots) == (51, 1)


async def test_a_follower_who_comes_late_begins_with_the_whole_book(bus, make):
    ingestor = make()
    await ingestor.start()
    market = Market(ingestor)
    market.change()
    follower = Follower(bus)
    market.change()
    await ingestor.drained()
    assert agrees(follower, market)
    assert (follower.events, follower.snapshots) == (1, 1)


async def test_a_backlog_becomes_one_snapshot_and_nothing_is_lost(bus, make):
    ingestor = make()
    await ingestor.start()
    follower = Follower(bus)
    market = Market(ingestor)
    for _ in range(3 * BACKLOG):
        market.change()
    await ingestor.drained()
    assert agrees(follower, market)
    assert ingestor.coalesced >= 2 * BACKLOG
    assert follower.events <= BACKLOG


async def test_a_lost_book_is_gone_for_every_reader_at_once(bus, make):
    ingestor = make(sinks=(heard := Heard(),))
    await ingestor.start()
    follower = Follower(bus)
    market = Market(ingestor)
    market.change()
    now_ns = market.clock.now_ns()
    assert ingestor.book(PAIR, now_ns) is market.book
    ingestor.on_invalid(PAIR, "CHECKSUM")
    assert ingestor.book(PAIR, now_ns) is None
    assert heard.invalid == [(PAIR, "CHECKSUM")]
    await ingestor.drained()
    assert follower.sides == ({}, {})
    assert follower.events == 1  # what had waited when the book was lost is not told any more
    market.change()
    await ingestor.drained()
    assert agrees(follower, market)


async def test_a_book_on_a_line_that_was_not_heard_for_too_long_is_not_given_out(make):
    ingestor = make()
    market = Market(ingestor)
    now_ns = market.clock.now_ns()
    assert ingestor.book(PAIR, now_ns + 5 * SECOND_NS) is market.book
    assert ingestor.book(PAIR, now_ns + 5 * SECOND_NS + 1) is None
    ingestor.on_heartbeat(now_ns + 4 * SECOND_NS)
    assert ingestor.book(PAIR, now_ns + 9 * SECOND_NS) is market.book
    market.book.invalidate()
    assert ingestor.book(PAIR, now_ns + 5 * SECOND_NS) is None
    assert ingestor.book("ETH/USD", now_ns) is None


async def test_no_decision_rests_on_a_market_that_is_not_known(make):
    assert make(live=False).fault(PAIR, START) == ""  # stored bars have no line and no book
    ingestor = make()
    assert ingestor.fault(PAIR, START) == "not connected"  # before a word about the line as well
    ingestor.on_status(connected=True, system="online", reason="connected")
    assert "no verified book" in ingestor.fault(PAIR, START)
    market = Market(ingestor)
    now_ns = market.clock.now_ns()
    assert ingestor.fault(PAIR, now_ns) == ""
    assert "heard 6.0 s ago" in ingestor.fault(PAIR, now_ns + 6 * SECOND_NS)
    ingestor.on_status(connected=True, system="cancel_only", reason="system status")
    assert ingestor.fault(PAIR, now_ns) == "the exchange is cancel_only"
    ingestor.on_status(connected=False, system="online", reason="cut")
    assert ingestor.fault(PAIR, now_ns) == "not connected"
    ingestor.on_status(connected=True, system="online", reason="connected")
    ingestor.on_invalid(PAIR, "DISCONNECTED")
    assert "no verified book" in ingestor.fault(PAIR, now_ns)


async def test_an_engine_on_a_live_line_buys_nothing_while_its_book_is_not_verified():
    refused, approved = Counter(), Counter()
    for live in (False, True):
        engine = build(
            manager(risk=CALM),
            replay_ports(played(market()[:2_600]), FixedModels(predictor()), MemoryJournal()),
        )
        await engine.start()
        if live:
            engine.ingestor._feed.live = True
            engine.ingestor.on_status(connected=True, system="online", reason="connected")
        await engine.run()
        refused[live] = engine.risk.rejected["MARKET_DATA_UNVERIFIED"]
        approved[live] = engine.risk.approved
        await engine.stop()
    assert approved[False] > 0
    assert refused[False] == approved[True] == 0
    assert refused[True] > 0


async def test_trades_bars_and_books_keep_the_order_in_which_they_came(bus, make):
    ingestor, seen = make(), []

    async def keep(event):
        seen.append(event.event_type)

    for kind in ("MARKET_DATA_L2", "MARKET_DATA_TRADE", "MARKET_DATA_OHLCV"):
        bus.subscribe(kind, keep)
    await ingestor.start()
    market = Market(ingestor)
    ingestor.on_trades(PAIR, [trade(1), trade(2)], START)
    ingestor.on_candle(bar(0))
    market.change()
    await ingestor.drained()
    assert seen == [
        "MARKET_DATA_L2", "MARKET_DATA_TRADE", "MARKET_DATA_TRADE", "MARKET_DATA_OHLCV", "MARKET_DATA_L2",
    ]  # fmt: skip


async def test_what_nobody_listens_to_is_not_queued(make):
    ingestor = make()
    market = Market(ingestor)
    market.change()
    ingestor.on_trades(PAIR, [trade(1)], START)
    assert not ingestor._queue


async def test_every_sink_hears_every_call(make):
    ingestor = make(sinks=(heard := Heard(),))
    market = Market(ingestor)
    ingestor.on_trades(PAIR, [trade(7)], START)
    ingestor.on_gap(PAIR, 3)
    ingestor.on_heartbeat(START)
    ingestor.on_candle(bar(0))
    ingestor.on_status(connected=False, system="online", reason="cut")
    assert heard.usable[PAIR] == [side[0].price for side in market.book.levels(1)]
    assert (heard.trades, heard.gaps, heard.heartbeats) == ([(PAIR, 7)], [(PAIR, 3)], 1)
    assert heard.states == [(False, "online", "cut")]
    assert (len(heard.candles), ingestor.missed_trades, ingestor.connected) == (1, 3, False)


async def test_a_live_feed_is_delivered_without_anybody_asking(bus, make):
    """The pump of `run` drains what a feed pushed; an error of the feed ends the run."""
    seen = Counter()

    async def count(event):
        seen[event.event_type] += 1

    bus.subscribe("MARKET_DATA_OHLCV", count)

    class Broken:
        live = True

        async def run(self, sink):
            sink.on_candle(bar(0))
            await heard.until(lambda: seen["MARKET_DATA_OHLCV"] == 1)
            sink.on_candle(bar(1))
            raise ConnectionError("gone")

        async def close(self):
            pass

    heard = Heard()
    ingestor = make()
    ingestor._feed = Broken()
    await ingestor.start()
    with pytest.raises(ConnectionError, match="gone"):
        await ingestor.run()


def trade(number):
    return MarketDataTrade(
        trading_pair=PAIR, exchange="kraken", trade_id=str(number), side="BUY", price=Decimal(100),
        volume=Decimal(1), timestamp_exchange=START,
    )  # fmt: skip
