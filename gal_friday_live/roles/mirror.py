"""What the trader tells, taken in by a role that only mirrors the account: onto its bus, into its books, and into its journal."""

from collections.abc import Callable

import msgspec

from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.strands.transaction import Transaction
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.strands.codec import report_of
from gal_friday_core.strands.strands import EXECUTION, STATE, Strand
from gal_friday_live.bus import PubSubManager
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.report_queue import KIND as REPORT
from gal_friday_live.report_queue import key_of
from gal_friday_live.roles.states import State, book_flow, change_of, heed, state_of
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate

SOURCE = "Mirror"


class Mirror:
    """Handles feedback on executions. Each report stands in this session's journal once, with the acknowledgement.

    The books themselves are made again from the account's journal at every start, so that a report which was told
    twice, or while nobody listened, changes nothing. `on_state` hears of other roles' halts.
    """

    def __init__(
        self,
        bus: PubSubManager,
        portfolio: PortfolioManager,
        *,
        journal: JournalWithin,
        gate: TradingGate,
        tasks: TaskSupervisor,
        on_state: Callable[[State], None] = lambda _: None,
    ) -> None:
        self._bus = bus
        self._portfolio = portfolio
        self._journal = journal
        self._gate = gate
        self._tasks = tasks
        self._on_state = on_state
        self.heard = 0

    async def handle(self, strand: Strand, transaction: Transaction) -> None:
        """An execution, or a state of the trader's."""
        if strand.kind == EXECUTION:
            await self._report(report_of(strand), transaction)
        elif strand.kind == STATE:
            self.take_state(strand)

    def take_state(self, strand: Strand) -> None:
        """A halt or its end, and money that moved. Where all is to be sold, the strategy hears of it on the bus."""
        state = state_of(strand)
        heed(self._gate, state)
        book_flow(self._portfolio, state)
        self._on_state(state)
        change = change_of(state)
        if change is not None and change.new_state == "HALTED":
            self._bus.emit("SYSTEM_STATE_CHANGE", change, source=SOURCE)

    async def _report(self, report: ExecutionReport, transaction: Transaction) -> None:
        await self._journal.append(
            transaction.connection, REPORT, key_of(report),
            ts_ns=report.timestamp_exchange, record=msgspec.structs.asdict(report),
        )  # fmt: skip
        self.heard += 1
        await self._bus.publish("EXECUTION_REPORT", report, source=SOURCE)
