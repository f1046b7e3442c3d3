"""What an engine that really runs has around it, and a backtest has not: a disk, a database, a lease, an exchange's time."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.ports import Clock
from gal_friday_live.probes import ClockOffset, Probe
from gal_friday_live.safeguards import watched


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """`folder` is where the product writes. `exchange_time_ns` is left out where the exchange has no time of its own."""

    folder: Path
    database: Database
    lease_held: Callable[[], bool]
    exchange_time_ns: Callable[[], Awaitable[int]] | None = None
    halt_page: HaltPage | None = None

    def offset(self, clock: Clock) -> ClockOffset | None:
        """How far the exchange's clock is from ours."""
        return None if self.exchange_time_ns is None else ClockOffset(clock, self.exchange_time_ns)

    def probes(
        self, *, market_fault: Callable[[], str], account_fault: Callable[[], str], offset: ClockOffset | None
    ) -> Sequence[Probe]:
        """What is looked at every second."""
        return watched(
            folder=self.folder, database=self.database, market_fault=market_fault, account_fault=account_fault,
            offset=offset,
        )  # fmt: skip
