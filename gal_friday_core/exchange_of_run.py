"""The simulated exchange that a run trades on: orders meet bars, or what was recorded of a pair."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gal_friday_core.config import Config
from gal_friday_core.instruments import Instrument
from gal_friday_core.prints import Prints
from gal_friday_core.simulated_exchange import SimulatedExchange

Recorded = Prints
"""What was recorded of one pair."""


def exchange_of_run(
    config: Config,
    instruments: Sequence[Instrument],
    balances: Mapping[str, Decimal],
    recorded: Mapping[str, Recorded],
) -> SimulatedExchange:
    """One account; `recorded` by pair."""
    return SimulatedExchange(instruments, balances, config.costs, fidelity=config.fidelity, prints=recorded)
