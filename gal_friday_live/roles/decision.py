"""The decision maker: risk and portfolio of an account, whoever proposes; its verdicts and budgets are strands."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gal_friday_adapters.strands.transaction import Fate, Handler, Transaction
from gal_friday_core.blotter import Blotter
from gal_friday_core.journal import JournalLine
from gal_friday_core.portfolio_records import CASH_FLOW
from gal_friday_core.strands.codec import approved_of
from gal_friday_core.strands.strands import DmStrand, Strand
from gal_friday_core.strands.tags import (
    DECISION_FEEDBACK,
    DM_EXECUTION_FEEDBACK,
    EVALUATE_PLAN,
    EXECUTE_PLAN,
)
from gal_friday_core.times import SECOND_NS
from gal_friday_live import composition
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine_ports import Ports
from gal_friday_live.halt import KIND as SYSTEM_STATE
from gal_friday_live.order_recovery import recover_orders
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.roles.budgets import reservation_of
from gal_friday_live.roles.lineage import PlannedModels, Registry
from gal_friday_live.roles.mirror import Mirror
from gal_friday_live.roles.order_pace import OrdersTold
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.states import State, dm_state, heed_last
from gal_friday_live.roles.surface import Bystander, Seat
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.verdicts import VerdictBridge
from gal_friday_live.service_life import Step

UNOPENED = "NOT_WARM"
"""The code in the gate until the trader has told what the account holds."""


LATE_S = 60.0
"""What expired so long ago has begun, and is known, or never will."""


class Plans(Protocol):
    """Who knows the orders to the trader that no order is known of yet."""

    async def unanswered(self) -> Sequence[DmStrand]: ...


class Decision(Role):
    """`told` are the kinds of its journal that the other roles hear of, `tell` how."""

    module = "dm"
    told = (SYSTEM_STATE,)

    def __init__(
        self,
        config: ConfigurationManager,
        ports: Ports,
        seat: Seat,
        telling: Telling,
        *,
        plans: Plans,
        registry: Registry,
    ) -> None:
        base = composition.foundation(config, ports)
        super().__init__(base)
        self._telling = telling
        self._late_ns = int(LATE_S * telling.speed * SECOND_NS)
        self._plans = plans
        self.journal = seat.mirrored(ports.journal)
        self.portfolio = composition.account(base, None, self.journal)
        self.models = PlannedModels(None if ports.simulated else registry)
        rules = composition.entry_rules(config, ports)
        composition.require_paper(config, ports, rules, paper=ports.simulated)
        self.deciding = composition.deciding(
            base, self.portfolio, self.models, journal=self.journal,
            without_model=None if rules is None else config.config.strategy.id,
        )  # fmt: skip
        self.orders_told = OrdersTold(base.bus, self.deciding.rate, base.clock)
        self.mirror = Mirror(
            base.bus, self.portfolio, journal=seat.within, gate=base.gate, tasks=base.tasks,
            on_state=self._on_state,
        )  # fmt: skip
        self.verdicts = VerdictBridge(
            base.bus, telling=telling, clock=base.clock, reservations=base.reservations, models=self.models,
            journal=seat.within,
        )  # fmt: skip
        self.ingestor = composition.market(base, Bystander(), listed=(self.deciding.risk.listed,))
        composition.recovering(base, None)

    @property
    def risk(self) -> RiskManager:
        return self.deciding.risk

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {EVALUATE_PLAN: self.verdicts.handle_plan, DM_EXECUTION_FEEDBACK: self.mirror.handle}

    async def on_fate(self, strand: Strand, fate: Fate, why: str, transaction: Transaction) -> None:
        await super().on_fate(strand, fate, why, transaction)
        await self.verdicts.on_fate(strand, fate, why, transaction)

    def tell(self, line: JournalLine) -> Strand:
        """A halt of ours, or its end, for trader and alphas."""
        return dm_state(line, self._telling.tags(DECISION_FEEDBACK, EXECUTE_PLAN, high=True))

    async def start(self) -> None:
        """What the account holds, and what was approved and may still be bought, is known before anything is decided."""
        base, risk = self.base, self.deciding.risk
        await base.monitoring.start()
        blotter = Blotter()
        await self.portfolio.restore()
        await recover_orders(self.journal, blotter=blotter)
        await self.portfolio.start()
        risk.adopt(blotter.records())
        self.orders_told.adopt(blotter.records())
        await self._adopt_plans(blotter)
        await self._heed_trader()
        await risk.start()
        await self.orders_told.start()
        await self.deciding.notes.start()
        await self.verdicts.start()
        await self.ingestor.start()
        await base.tasks.settle()
        base.monitoring.ready()

    def endings(self) -> tuple[Step, ...]:
        base, deciding = self.base, self.deciding
        return (
            self.ingestor.stop, base.tasks.stop, self.verdicts.stop, deciding.notes.stop,
            self.orders_told.stop, deciding.risk.stop, self.portfolio.stop, base.monitoring.stop, base.ports.journal.flush,
        )  # fmt: skip

    def counts(self) -> dict[str, Any]:
        risk = self.deciding.risk
        return {
            "decided": self.verdicts.decided,
            "signals": {"approved": risk.approved, **dict(risk.rejected)},
            "reserved": f"{self.base.reservations.cash():f}",
            "reports": self.mirror.heard,
        }

    async def _adopt_plans(self, blotter: Blotter) -> None:
        """Reserve what was approved and the trader has not begun: it may be carried out any moment."""
        known = {record.order.signal_id for record in blotter.records()}
        for command in await self._plans.unanswered():
            approved = approved_of(command)
            if approved.signal_id in known or approved.signal_id in self.base.reservations:
                continue
            if approved.expires_at + self._late_ns < self.base.clock.now_ns():
                continue  # nobody may begin it any more
            self.base.reservations.reserve(reservation_of(approved, command, self.base.reservations.fee_rate))
            self.deciding.risk.conduct.remember(approved.signal_id, approved.expires_at)

    async def _heed_trader(self) -> None:
        """Whether the trader was halted when it was last heard of, and whether it has opened the account."""
        await heed_last(self.base.gate, "trader", self.journal)
        if not self.portfolio.funds.opened:
            self.base.gate.block(UNOPENED, "the trader has not told yet what the account holds")

    def _on_state(self, state: State) -> None:
        if state.kind == CASH_FLOW and self.portfolio.funds.opened:
            self.base.gate.clear(UNOPENED)
