"""What every role has, and how it starts, runs and stops: services around a bus, and a listener in place of the others' bus."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from gal_friday_adapters.postgres.lease import SUPERSEDED
from gal_friday_adapters.strands.transaction import Fate, Handler, Transaction
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_core.strands.strands import Strand
from gal_friday_core.strands.tags import Module
from gal_friday_core.times import to_iso
from gal_friday_live.composition import Foundation
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.engine_overview import account_now, state_now
from gal_friday_live.engine_view import figures_of, positions_of
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.service_life import Step, ended
from gal_friday_live.strategy_arbitrator import StrategyArbitrator

AGAIN_S = 0.5
"""Before a listener begins once more that found no database."""

log = logging.getLogger(__name__)


class Role(ABC):
    """`start`, `run` until the feed ends or `stop`. `handlers` are for the strands that are addressed to the module."""

    module: Module
    portfolio: PortfolioManager
    ingestor: DataIngestor

    def __init__(self, base: Foundation) -> None:
        self.base = base
        self.series, self.gate, self.halt, self.monitoring = (
            base.ports.series,
            base.gate,
            base.halt,
            base.monitoring,
        )
        self.bus, self.clock, self.account_line = base.bus, base.clock, base.account_line
        self._tellers: list[Step] = []

    @property
    def prediction(self) -> PredictionService | None:
        """An alpha's."""
        return None

    @property
    def strategy(self) -> StrategyArbitrator | None:
        """An alpha's."""
        return None

    @property
    def risk(self) -> RiskManager | None:
        """The decision maker's."""
        return None

    @property
    def execution(self) -> ExecutionHandler | None:
        """The trader's."""
        return None

    @property
    def reconciliation(self) -> ReconciliationService | None:
        """The trader's alone."""
        return None

    def guarded(self) -> dict[str, Handler]:
        """The handlers; once the seat is another process's nothing is handled, and this one ends."""
        return {tag: self._guarded(handler) for tag, handler in self.handlers.items()}

    def _guarded(self, handle: Handler) -> Handler:
        async def handled(strand: Strand, transaction: Transaction) -> None:
            self.require_session()
            try:
                await handle(strand, transaction)
            except LeaseError:
                self.monitoring.on_lease(SUPERSEDED)
                raise

        return handled

    @property
    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """By tag."""

    async def on_fate(self, strand: Strand, fate: Fate, why: str, transaction: Transaction) -> None:
        """A strand for this role will never be handled; whoever waits for an answer is told where that is known."""
        del transaction
        log.error("strand %s is %s: %s", strand.id, fate, why)

    @abstractmethod
    async def start(self) -> None:
        """Bring every service up, the ones that others depend on first; the market comes last."""

    @abstractmethod
    def endings(self) -> tuple[Step, ...]:
        """What is to be done on stopping, in order."""

    @abstractmethod
    def counts(self) -> dict[str, Any]:
        """What it did, for its status."""

    def tells(self, run: Step) -> None:
        """Something that writes strands as long as the role runs, begun with `listen`."""
        self._tellers.append(run)

    def listen(self, run: Step) -> None:
        """Have strands handled as long as the role runs; once it is started."""
        self.base.tasks.background(_heard_out(run), "strands")
        for tell in self._tellers:
            self.base.tasks.background(_until_stopped(tell), "telling")

    async def run(self) -> None:
        """Until the feed ends or `stop`; then every consequence of the last bar has been drawn."""
        await self.ingestor.run()
        await self.base.tasks.settle()

    def require_session(self) -> None:
        """Raises LeaseError once another process has taken the role over."""
        if self.base.monitoring.superseded:
            raise LeaseError(
                f"another process has taken over as {self.module} of this account: this one ends, and says nothing more"
            )

    async def stop(self) -> None:
        """A step that hangs or fails holds up none of the others; the first failure is raised at the end."""
        failures = await ended(self.endings())
        if failures and not self.base.monitoring.superseded:
            raise failures[0]

    def status(self) -> dict[str, Any]:
        """What one screen shows; cheap enough for every look."""
        base = self.base
        return {
            "series": [item.key for item in base.ports.series],
            "time": to_iso(base.clock.now_ns())[:19] + "Z",
            "state": f"HALTED: {base.halt.reason}" if base.halt.halted else "RUNNING",
            **state_now(self),
            "bars": self.ingestor.published,
            "fills": self.portfolio.fills,
            **self.counts(),
            **figures_of(self.portfolio.state()),
        }

    def account_now(self) -> dict[str, Any]:
        """Account, and what else this role knows of it at one instant, for its overview."""
        return account_now(self)

    def positions(self) -> dict[str, Any]:
        """The account as this role has it in its books."""
        return positions_of(self.portfolio, None)

    def orders(self, *, ended: bool) -> list[dict[str, Any]]:
        """Orders are the trader's business."""
        del ended
        return []


async def _heard_out(run: Step) -> None:
    """Listen, and begin again where the database is gone just when it is to begin: a role that hears nothing must not go on."""
    while True:
        try:
            await run()
        except LeaseError:
            raise
        except StorageError as error:
            log.warning("strands are not heard yet: %s", error)
            await asyncio.sleep(AGAIN_S)
        else:
            return


async def _until_stopped(run: Step) -> None:
    await run()
