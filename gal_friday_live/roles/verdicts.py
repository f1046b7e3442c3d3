"""The decision maker's side: plans onto its bus, the risk check's verdicts into the transaction that acknowledges them."""

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec

from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.strands.transaction import Fate, Transaction
from gal_friday_core.errors import ContractError, GalFridayError
from gal_friday_core.events import Event
from gal_friday_core.payloads import TradeSignalApproved, TradeSignalProposed, TradeSignalRejected
from gal_friday_core.ports import Clock
from gal_friday_core.reservations import Reservations
from gal_friday_core.strands.codec import (
    Verdict,
    decision_strand,
    execution_plan_strand,
    proposed_of,
)
from gal_friday_core.strands.strands import DECISION, WITHDRAWAL, AdStrand, DmStrand, Strand, tags_of
from gal_friday_core.strands.tags import DECISION_FEEDBACK, EXECUTE_PLAN
from gal_friday_live.bus import PubSubManager
from gal_friday_live.roles.lineage import PlannedModels
from gal_friday_live.roles.plans import UNREADABLE
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.withdrawal import Withdrawal, passed_on, withdrawal_of

SOURCE = "VerdictBridge"
VERDICT: Final = "VERDICT"
"""Kind of the journal record under a plan's strand: written with the answer, so that a former holder of the lease decides nothing."""
DECIDE_WITHIN_S: Final = 10.0
REMEMBERED: Final = 1_000
"""Verdicts that may have to be given again: as long as a transaction is tried."""
WITHDRAWN: Final = "WITHDRAWN"
REASONS: Final = {"expired": "STALE_SIGNAL", "failed": "PLAN_FAILED"}


class VerdictBridge:
    """Check and reservation are one step on the bus, as ever; the answer is kept until it is durable.

    So a plan that is handled again, since its transaction failed, gets the verdict that it had. `decided` counts.
    """

    def __init__(
        self,
        bus: PubSubManager,
        *,
        telling: Telling,
        clock: Clock,
        reservations: Reservations,
        models: PlannedModels,
        journal: JournalWithin,
        decide_within_s: float = DECIDE_WITHIN_S,
    ) -> None:
        self._bus = bus
        self._telling = telling
        self._clock = clock
        self._reservations = reservations
        self._models = models
        self._journal = journal
        self._within_s = decide_within_s
        self._asked: dict[str, asyncio.Future[Verdict]] = {}
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._withdrawn: dict[str, str] = {}
        self._subscriptions: list[str] = []
        self.decided = 0

    async def start(self) -> None:
        self._subscriptions = [
            self._bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_verdict),
            self._bus.subscribe("TRADE_SIGNAL_REJECTED", self._on_verdict),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    async def handle_plan(self, strand: Strand, transaction: Transaction) -> None:
        """Decide about a plan, or pass on that nothing is to wait any more.

        Raises ContractError for what is neither, GalFridayError where nobody decides.
        """
        if strand.kind == WITHDRAWAL:
            await self._take_back(withdrawal_of(strand), strand.id, transaction)
            return
        signal = proposed_of(strand)
        assert isinstance(strand, AdStrand)
        verdict = self._verdicts.get(strand.id)
        if verdict is None:
            verdict = self._verdicts[strand.id] = await self._decide(signal, strand)
            if len(self._verdicts) > REMEMBERED:
                self._verdicts.popitem(last=False)
        await self._answer(strand, signal, verdict, transaction)
        self.decided += 1

    async def on_fate(self, strand: Strand, fate: Fate, why: str, transaction: Transaction) -> None:
        """Answer a plan that will never be handled: its alpha waits for a word."""
        if not isinstance(strand, AdStrand) or strand.kind == WITHDRAWAL:
            return
        tags = self._telling.tags(DECISION_FEEDBACK, original=strand.id)
        try:
            signal = proposed_of(strand)
        except ContractError:
            said = {"verdict": "refused", "verdict_of": strand.id, "reason": UNREADABLE, "why": why}
            await transaction.write_with_tags(DmStrand(kind=DECISION, tags=tags, dm_decision=said))
            return
        self._verdicts.pop(strand.id, None)
        self._reservations.release(signal.signal_id)
        await transaction.write_with_tags(decision_strand(refusal(signal, REASONS[fate], why), tags, strand))

    async def _take_back(self, withdrawal: Withdrawal, strand: str, transaction: Transaction) -> None:
        """For the trader; a plan that is tried again, and was written before, is not approved behind it."""
        tags = self._telling.tags(EXECUTE_PLAN, original=strand)
        await transaction.write_with_tags(passed_on(withdrawal, tags))
        self._withdrawn |= dict.fromkeys(withdrawal.pairs, strand)

    async def _decide(self, signal: TradeSignalProposed, strand: AdStrand) -> Verdict:
        withdrawn = self._withdrawn.get(signal.trading_pair)
        if withdrawn is not None and strand.id < withdrawn and signal.side == "BUY":
            return refusal(signal, WITHDRAWN, f"its alpha took it back by strand {withdrawn}")
        await self._models.take(signal, strand.module_intelligence)
        asked: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._asked[signal.signal_id] = asked
        try:
            await self._bus.publish("TRADE_SIGNAL_PROPOSED", signal, source=SOURCE)
            async with asyncio.timeout(self._within_s):
                return await asked
        except TimeoutError:
            raise GalFridayError(f"nobody decided about signal {signal.signal_id}") from None
        finally:
            del self._asked[signal.signal_id]

    async def _answer(
        self, plan: AdStrand, signal: TradeSignalProposed, verdict: Verdict, transaction: Transaction
    ) -> None:
        now_ns = self._clock.now_ns()
        record = {"signal_id": signal.signal_id, "approved": isinstance(verdict, TradeSignalApproved)}
        await self._journal.append(transaction.connection, VERDICT, plan.id, ts_ns=now_ns, record=record)
        feedback = self._telling.tags(DECISION_FEEDBACK, original=plan.id, high=tags_of(plan).high)
        answers = [decision_strand(verdict, feedback, plan)]
        if isinstance(verdict, TradeSignalApproved):
            command = self._telling.tags(
                EXECUTE_PLAN, expires_at=verdict.expires_at, now_ns=now_ns, original=plan.id,
                high=tags_of(plan).high or verdict.side == "SELL",
            )  # fmt: skip
            answers.append(self._with_budget(execution_plan_strand(verdict, command, plan), verdict))
        await transaction.write_many(answers)

    def _with_budget(self, command: DmStrand, verdict: TradeSignalApproved) -> DmStrand:
        """The reservation travels: the trader holds the same against its last checks."""
        held = self._reservations.of(verdict.signal_id)
        if held is None:
            return command
        kept = {"price": str(held.reservation.price), "fee_rate": str(held.reservation.fee_rate)}
        return msgspec.structs.replace(command, dm_budget={**(command.dm_budget or {}), **kept})

    def _on_verdict(self, event: Event) -> None:
        verdict = event.payload
        assert isinstance(verdict, TradeSignalApproved | TradeSignalRejected)
        asked = self._asked.get(verdict.signal_id)
        if asked is not None and not asked.done():
            asked.set_result(verdict)


def refusal(signal: TradeSignalProposed, code: str, why: str) -> TradeSignalRejected:
    """A verdict that no check gave."""
    return TradeSignalRejected(
        signal_id=signal.signal_id, trading_pair=signal.trading_pair, exchange=signal.exchange,
        side=signal.side, reason=code, details={"value": why},
    )  # fmt: skip
