"""The simulated exchange that a run trades on: orders meet bars, trades or books, as far as these were recorded."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.instruments import Instrument
from gal_friday_core.market_events import MarketEvents
from gal_friday_core.prints import Prints
from gal_friday_core.recorded_exchange import RecordedExchange
from gal_friday_core.simulated_exchange import SimulatedExchange

Recorded = Prints | MarketEvents
"""What was recorded of one pair: its trades, or its book too."""
ExchangeOfRun = SimulatedExchange | RecordedExchange


def exchange_of_run(
    config: Config,
    instruments: Sequence[Instrument],
    balances: Mapping[str, Decimal],
    recorded: Mapping[str, Recorded],
) -> ExchangeOfRun:
    """One account; `recorded` by pair. Raises ConfigError where books are there of some pairs only."""
    books = {pair: found for pair, found in recorded.items() if isinstance(found, MarketEvents)}
    if not books:
        prints = {pair: found for pair, found in recorded.items() if isinstance(found, Prints)}
        return SimulatedExchange(instruments, balances, config.costs, fidelity=config.fidelity, prints=prints)
    if set(books) != {instrument.pair for instrument in instruments}:
        raise ConfigError("orders meet books of all pairs or of none: record those that are missing")
    return RecordedExchange(instruments, balances, config.costs, books, fidelity=config.fidelity)
