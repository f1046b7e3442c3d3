"""Single services, where the engine's own tests do not reach."""

from decimal import Decimal

from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.ids import SequentialIds
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.tasks import TaskSupervisor
from tests.live.world import SERIES, START, manager


class Venue:
    """An exchange that only watches the market."""

    name = "venue"

    def __init__(self):
        self.seen = []

    async def on_candle(self, candle):
        self.seen.append(candle)


class Script:
    """A feed that plays what it is given."""

    live = False

    def __init__(self, *candles):
        self._candles = candles

    async def run(self, sink):
        for candle in self._candles:
            sink.on_candle(candle)
            await sink.drained()

    async def close(self):
        pass


def bar(minute, closed=True):
    price = Decimal(100)
    return MarketDataOHLCV(
        trading_pair=SERIES.pair, exchange=SERIES.venue, interval="1m",
        timestamp_bar_start=START + minute * MINUTE_NS, open=price, high=price, low=price, close=price,
        volume=Decimal(1), closed=closed,
    )  # fmt: skip


async def ingested(*candles, **ports):
    bus, venue, published = PubSubManager(SimulatedClock(START), SequentialIds()), Venue(), []

    async def keep(event):
        published.append((event.payload.timestamp_bar_start - START) // MINUTE_NS)

    bus.subscribe("MARKET_DATA_OHLCV", keep)
    ingestor = DataIngestor(
        manager(), bus, feed=Script(*candles), exchange=venue, tasks=TaskSupervisor(), **ports
    )
    await ingestor.start()
    await ingestor.run()
    assert len(venue.seen) == len(published)
    return published, dict(ingestor.refused)


async def test_a_running_bar_is_never_published_as_final():
    assert await ingested(bar(0), bar(1, closed=False), bar(1)) == ([0, 1], {"RUNNING": 1})


async def test_a_repeated_or_earlier_bar_is_refused_and_counted():
    assert await ingested(bar(0), bar(2), bar(2), bar(1), bar(3)) == ([0, 2, 3], {"NOT_LATER": 2})


async def test_bars_that_the_history_already_holds_are_not_new():
    after = {SERIES: START + MINUTE_NS}
    assert await ingested(bar(0), bar(1), bar(2), after=after) == ([2], {"NOT_LATER": 2})


async def test_a_silent_market_is_degraded_until_it_speaks_again():
    clock, ids, states = SimulatedClock(START), SequentialIds(), []
    bus, journal, tasks = PubSubManager(clock, ids), MemoryJournal(), TaskSupervisor()
    halt = HaltCoordinator(clock, ids, JournalWriter(journal, tasks))
    monitoring = MonitoringService(manager(), bus, halt=halt, clock=clock, journal=journal, tasks=tasks)

    async def keep(event):
        states.append((event.payload.new_state, event.payload.reason))

    bus.subscribe("SYSTEM_STATE_CHANGE", keep)
    await monitoring.start()
    await monitoring.check_health()  # nothing was heard yet, and nothing is missed
    await bus.publish("MARKET_DATA_OHLCV", bar(0))
    clock.advance_to(START + 10 * MINUTE_NS)
    await monitoring.check_health()
    assert states == []
    clock.advance_to(START + 12 * MINUTE_NS)
    await monitoring.check_health()
    await monitoring.check_health()
    await bus.publish("MARKET_DATA_OHLCV", bar(12))
    await monitoring.check_health()  # one bar alone is not yet a market that is back
    clock.advance_to(START + 12 * MINUTE_NS + 5 * SECOND_NS)
    await monitoring.check_health()
    assert states == [("DEGRADED", "MARKET_DATA_SILENT"), ("RUNNING", "MARKET_DATA_SILENT is over")]
    assert not monitoring.is_halted()


async def test_a_trigger_halts_and_the_first_reason_stays():
    clock, ids = SimulatedClock(START), SequentialIds()
    bus, journal, tasks = PubSubManager(clock, ids), MemoryJournal(), TaskSupervisor()
    halt = HaltCoordinator(clock, ids, JournalWriter(journal, tasks))
    monitoring = MonitoringService(manager(), bus, halt=halt, clock=clock, journal=journal, tasks=tasks)
    await monitoring.start()
    await bus.publish("POTENTIAL_HALT_TRIGGER", {"reason": "API_CONNECTION_LOST", "source": "DataIngestor"})
    await monitoring.trigger_halt("LATER")
    await tasks.settle()
    assert halt.reason == "API_CONNECTION_LOST"
    assert [entry.record["state"] for entry in journal.entries] == ["HALTED"]
    assert list(monitoring.reasons) == ["API_CONNECTION_LOST", "LATER"]
