"""The alpha: market, features, models and strategy; its proposals are plans, and its books a mirror of the account."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from gal_friday_adapters.strands.transaction import Handler
from gal_friday_core.events import Event
from gal_friday_core.payloads import SystemStateChange
from gal_friday_core.strands.tags import DECISION_FEEDBACK, EXECUTION_FEEDBACK
from gal_friday_live import composition
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine_ports import Ports
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.roles.mirror import Mirror
from gal_friday_live.roles.plans import PlanBridge, Writes
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.states import heed_last
from gal_friday_live.roles.surface import Bystander, Seat
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.withdrawal import Withdrawal
from gal_friday_live.service_life import Step
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.trades_under_way import TradeUnderWay, trades_under_way


class Alpha(Role):
    """`plans` are written through `strands`."""

    module = "alpha"

    def __init__(
        self, config: ConfigurationManager, ports: Ports, seat: Seat, telling: Telling, strands: Writes
    ) -> None:
        base = composition.foundation(config, ports)
        super().__init__(base)
        self._name = seat.name
        rules = composition.entry_rules(config, ports)
        composition.require_paper(config, ports, rules, paper=ports.simulated)
        self.journal = seat.mirrored(ports.journal)
        self._decision_journal = seat.decision_journal
        self.portfolio = composition.account(base, None, self.journal)
        self.research = composition.researching(base, self.portfolio.positions, rules)
        self.mirror = Mirror(base.bus, self.portfolio, journal=seat.within, gate=base.gate, tasks=base.tasks)
        self.plans = PlanBridge(
            base.bus, strands, telling=telling, name=seat.name, timeframe=config.config.market.interval,
            clock=base.clock, tasks=base.tasks, provenance=self.research.provenance,
            models=self.research.prediction, mirror=self.mirror, why_not=self._why_not,
        )  # fmt: skip
        self.ingestor = composition.market(base, Bystander(), sinks=self.research.features.sinks)
        composition.recovering(base, None)
        self._under_way: Callable[[], Awaitable[Mapping[str, TradeUnderWay]]] = partial(
            trades_under_way, journal=self.journal, models=ports.models, positions=self.portfolio,
            series=ports.series, history=ports.history,
        )  # fmt: skip

    @property
    def prediction(self) -> PredictionService:
        return self.research.prediction

    @property
    def strategy(self) -> StrategyArbitrator:
        return self.research.strategy

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {DECISION_FEEDBACK: self.plans.handle_decision, EXECUTION_FEEDBACK: self.mirror.handle}

    async def start(self) -> None:
        base, research = self.base, self.research
        await base.monitoring.start()
        await heed_last(base.gate, "trader", self.journal)
        await heed_last(base.gate, "dm", self._decision_journal)
        await self.portfolio.start()
        await research.provenance.start()
        await self.plans.start()
        base.bus.subscribe("SYSTEM_STATE_CHANGE", self._on_state)
        research.strategy.take_up(await self._under_way())
        await research.strategy.start()
        await research.prediction.start()
        await research.features.start()
        await self.ingestor.start()
        await base.tasks.settle()
        base.monitoring.ready()

    def endings(self) -> tuple[Step, ...]:
        base, research = self.base, self.research
        return (
            self.ingestor.stop, self.plans.wait_no_longer, base.tasks.stop, research.features.stop, research.prediction.stop,
            research.strategy.stop, self._take_back, self.plans.stop, research.provenance.stop, self.portfolio.stop,
            base.monitoring.stop, base.ports.journal.flush,
        )  # fmt: skip

    def counts(self) -> dict[str, Any]:
        research = self.research
        return {
            "model": ", ".join(research.prediction.trading) or "none",
            "predictions": research.prediction.predictions,
            "signals": {
                "proposed": research.strategy.proposed, "plans": self.plans.written,
                "approved": self.plans.approved, "rejected": self.plans.rejected,
            },
            "reports": self.mirror.heard,
        }  # fmt: skip

    def _on_state(self, event: Event) -> None:
        """Our own halt takes back entries that wait, unless it lets them stand; what others halt is theirs to see to."""
        change = event.payload
        assert isinstance(change, SystemStateChange)
        ours = self.base.halt.halted and not self.base.monitoring.superseded
        if ours and change.new_state == "HALTED" and change.halt_action != "MAINTAIN_POSITIONS":
            self.plans.withdraw(self._withdrawal("it is halted"))

    async def _take_back(self) -> None:
        """An alpha that ends leaves nothing waiting that only it would have an opinion on."""
        if not self.base.monitoring.superseded:
            await self.plans.withdraw_now(self._withdrawal("it ends"))

    def _withdrawal(self, why: str) -> Withdrawal:
        return Withdrawal(pairs=self.base.pairs, why=f"alpha {self._name}: {why}")

    def _why_not(self, pair: str) -> tuple[str, str] | None:
        """What keeps buys back before anybody else is asked."""
        halt = self.base.halt
        if halt.halted:
            return "HALTED", halt.reason or ""
        return self.base.gate.why(pair)
