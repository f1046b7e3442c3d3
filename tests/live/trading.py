"""A started engine over the small world, and what tests ask of it."""

from contextlib import asynccontextmanager
from decimal import Decimal

from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.wiring import build
from tests.live.world import CALM, manager, market, played, predictor

CASH = Decimal(10_000)


@asynccontextmanager
async def trading(config=None, models=None, stretch=None, journal=None, **ports):
    """A started engine over the small world; stopped afterwards."""
    stretch = stretch or played()
    models = models or FixedModels(predictor())
    engine = build(
        config or manager(risk=CALM), replay_ports(stretch, models, journal or MemoryJournal(), **ports)
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def collect(engine, event_type):
    events = []

    async def keep(event):
        events.append(event)

    engine.bus.subscribe(event_type, keep)
    return events


async def entries(journal, kind):
    return [entry async for entry in journal.read(kind=kind)]


@asynccontextmanager
async def checked(exchange_type, journal=None, config=None, **ports):
    """An engine on an exchange of this type."""
    config, stretch = config or manager(risk=CALM), played(market(4_000))
    given = replay_ports(stretch, FixedModels(predictor()), journal or MemoryJournal(), **ports)
    simulated = SimulatedExchange([stretch.instrument], {"USD": CASH}, config.config.costs)
    exchange = exchange_type(simulated, given.clock)
    ports = {**{name: getattr(given, name) for name in given.__dataclass_fields__}, "exchange": exchange}
    engine = build(config, type(given)(**ports))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
