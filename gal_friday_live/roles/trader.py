"""The trader: orders, their protection and the comparison with the exchange; its journal is the account's."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gal_friday_adapters.strands.transaction import Fate, Handler, Transaction
from gal_friday_core.journal import JournalLine
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.portfolio_records import CASH_FLOW
from gal_friday_core.strands.codec import execution_strand
from gal_friday_core.strands.strands import Strand
from gal_friday_core.strands.tags import DM_EXECUTION_FEEDBACK, EXECUTE_PLAN, EXECUTION_FEEDBACK
from gal_friday_live import composition
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import hear_out, tend
from gal_friday_live.engine_ports import Ports
from gal_friday_live.engine_view import orders_of, positions_of
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.halt import KIND as SYSTEM_STATE
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.order_recovery import recover_orders, take_up
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.report_queue import KIND as REPORT
from gal_friday_live.risk_view import stops_told
from gal_friday_live.roles.budgets import Budgets
from gal_friday_live.roles.commands import CommandBridge
from gal_friday_live.roles.journals import WatchedJournal
from gal_friday_live.roles.lineage import PlannedProvenance
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.states import heed_last, trader_state
from gal_friday_live.roles.telling import Telling
from gal_friday_live.service_life import Step

_report = msgspec.json.Decoder(ExecutionReport)


class Trader(Role):
    """`told` are the kinds of its journal that the other roles hear of, `tell` how. `decision_journal` is the decision maker's."""

    module = "trader"
    told = (REPORT, CASH_FLOW, SYSTEM_STATE)

    def __init__(
        self,
        config: ConfigurationManager,
        ports: Ports,
        journal: WatchedJournal,
        telling: Telling,
        *,
        decision_journal: SessionJournal,
    ) -> None:
        base = composition.foundation(config, ports)
        super().__init__(base)
        self._telling = telling
        self._timeframe = config.config.market.interval
        self.journal = journal
        self._decision_journal = decision_journal
        self.exchange = composition.exchange_of(config, ports)
        self.portfolio = composition.account(base, self.exchange, ports.journal)
        self.budgets = Budgets(
            config, base.bus, base.reservations, position=self.portfolio.positions.position
        )
        self.provenance = PlannedProvenance()
        rate = composition.order_rate(base, lambda: self.budgets.limits)
        self.trades = composition.trading(
            base, self.exchange, self.portfolio, provenance=self.provenance, limits=lambda: self.budgets.limits,
            rate=rate,
        )  # fmt: skip
        self.commands = CommandBridge(
            base.bus, execution=self.trades.execution, journal=journal, budgets=self.budgets,
            provenance=self.provenance, gate=base.gate, clock=base.clock, ids=base.ids,
        )  # fmt: skip
        protection = self.trades.protection
        self.ingestor = composition.market(
            base, self.exchange, sinks=(protection.watch,) if protection.active else (),
            listed=(self.trades.checks.listed,),
        )  # fmt: skip
        composition.recovering(base, self.trades)

    @property
    def reconciliation(self) -> ReconciliationService | None:
        return self.trades.reconciliation

    @property
    def execution(self) -> ExecutionHandler:
        return self.trades.execution

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {EXECUTE_PLAN: self.commands.handle}

    async def on_fate(self, strand: Strand, fate: Fate, why: str, transaction: Transaction) -> None:
        await super().on_fate(strand, fate, why, transaction)
        await self.commands.on_fate(strand, fate, why, transaction)

    def tell(self, line: JournalLine) -> Strand:
        """A report, for the alpha that asked and for the decision maker; money and halts for all."""
        both = (EXECUTION_FEEDBACK, DM_EXECUTION_FEEDBACK)
        if line.kind != REPORT:
            return trader_state(line, self._telling.tags(*both, high=line.kind == SYSTEM_STATE))
        report = _report.decode(line.record)
        plan = self.commands.plan_of(report.signal_id) if report.signal_id else None
        tags = self._telling.tags(*both, original=plan)
        return execution_strand(report, tags, timeframe=self._timeframe)

    async def start(self) -> None:
        """What earlier runs left is known before the exchange speaks, the account is compared before anything is traded."""
        base, trades = self.base, self.trades
        await base.monitoring.start()
        await self.portfolio.restore()
        await self.commands.restore()
        await heed_last(base.gate, "dm", self._decision_journal)
        recovered = await recover_orders(
            self.journal, blotter=trades.execution.blotter, brackets=trades.protection.brackets
        )
        for record in trades.execution.blotter.records():
            self.journal.remember(record.order.client_order_id)
        await self.portfolio.start()
        self.budgets.adopt(trades.execution.blotter.records())
        await self.budgets.start()
        await trades.execution.start()
        await trades.protection.start()
        take_up(recovered, trades.execution, self.exchange)
        self.exchange.on_line(base.account_line.on_line)
        await self.exchange.start()
        base.tasks.background(hear_out(self.exchange, base.monitoring), "account line")
        await self.ingestor.start()
        if trades.reconciliation is not None:
            await trades.reconciliation.start()
            base.tasks.background(tend(trades.protection), "protection")
        await base.tasks.settle()
        base.monitoring.ready()

    def endings(self) -> tuple[Step, ...]:
        base, trades = self.base, self.trades
        reconciliation = (trades.reconciliation.stop,) if trades.reconciliation is not None else ()
        if base.monitoring.superseded:
            return (
                self.ingestor.stop, trades.protection.stop, trades.execution.stop, self.budgets.stop,
                *reconciliation, base.tasks.stop, self.portfolio.stop, base.monitoring.stop,
            )  # fmt: skip
        return (
            self.ingestor.stop, self._cancel_entries, base.tasks.stop, trades.protection.stop,
            trades.execution.stop, self.budgets.stop, *reconciliation, self.exchange.stop, self.portfolio.stop,
            base.monitoring.stop, base.ports.journal.flush,
        )  # fmt: skip

    def counts(self) -> dict[str, Any]:
        execution = self.trades.execution
        return {
            "taken": self.commands.taken,
            "orders": execution.orders,
            "refused": dict(execution.refused),
        }

    def account_now(self) -> dict[str, Any]:
        """With what the stops would lose: who decides does not know them."""
        stops = stops_told(self.portfolio.state(), self.trades.execution.blotter, self.base.config.config)
        return {**super().account_now(), "stops": stops}

    def positions(self) -> dict[str, Any]:
        return positions_of(self.portfolio, self.trades.execution.blotter)

    def orders(self, *, ended: bool) -> list[dict[str, Any]]:
        return orders_of(self.trades.execution.blotter, ended=ended)

    async def _cancel_entries(self) -> None:
        self.trades.execution.cancel_entries()
