"""The alpha's side: what it proposes becomes plans, and what was decided comes back onto its bus."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from gal_friday_adapters.strands.transaction import Transaction
from gal_friday_core.errors import StorageError
from gal_friday_core.events import Event
from gal_friday_core.payloads import TradeSignalProposed, TradeSignalRejected
from gal_friday_core.ports import Clock
from gal_friday_core.strands.codec import plan_strand, verdict_of
from gal_friday_core.strands.strands import DECISION, STATE, AdStrand, DmStrand, Strand
from gal_friday_core.strands.tags import EVALUATE_PLAN
from gal_friday_live.bus import PubSubManager
from gal_friday_live.intents import Provenance
from gal_friday_live.roles.lineage import Models, lineage_of
from gal_friday_live.roles.mirror import Mirror
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.withdrawal import Withdrawal, asked
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "PlanBridge"
RETRY_S: Final = 0.5
"""Between two tries to write a plan that the database did not take."""
UNREADABLE: Final = "UNREADABLE_PLAN"
"""The decision maker's word for a plan that it could not read: there is no signal that it could name."""

log = logging.getLogger(__name__)


class Writes(Protocol):
    """Whoever writes a strand in a transaction of its own."""

    async def write_with_tags(self, strand: AdStrand) -> str: ...


class PlanBridge:
    """Started after whoever keeps account of provenance. `why_not` says what keeps buys back here already.

    Plans are written in the order proposed; one that the database does not take is tried again until it has
    expired, and then refused on the bus, so that the strategy does not wait for it. What is withdrawn stands behind
    the plans that it is about. `written` counts.
    """

    def __init__(
        self,
        bus: PubSubManager,
        strands: Writes,
        *,
        telling: Telling,
        name: str,
        timeframe: str,
        clock: Clock,
        tasks: TaskSupervisor,
        provenance: Provenance,
        models: Models,
        mirror: Mirror,
        why_not: Callable[[str], tuple[str, str] | None],
        retry_s: float = RETRY_S,
    ) -> None:
        self._bus = bus
        self._strands = strands
        self._telling = telling
        self._name = name
        self._timeframe = timeframe
        self._clock = clock
        self._tasks = tasks
        self._provenance = provenance
        self._models = models
        self._mirror = mirror
        self._why_not = why_not
        self._retry_s = retry_s
        self._waiting: deque[TradeSignalProposed | Withdrawal] = deque()
        self._writing = self._ending = False
        self._subscriptions: list[str] = []
        self.written = 0
        self.approved = 0
        self.rejected = 0

    async def start(self) -> None:
        self._subscriptions = [self._bus.subscribe("TRADE_SIGNAL_PROPOSED", self._on_proposed)]

    async def wait_no_longer(self) -> None:
        """What the database does not take at the next try is left: the alpha ends."""
        self._ending = True

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Have entries cancelled that wait, however long it takes to say so."""
        self._put(withdrawal)

    async def withdraw_now(self, withdrawal: Withdrawal) -> None:
        """The same from an alpha that ends: said once, or logged that it could not be."""
        if not await self._write(self._withdrawn(withdrawal)):
            log.warning("entries in %s may wait on: cancel them at the exchange", ", ".join(withdrawal.pairs))

    async def handle_decision(self, strand: Strand, transaction: Transaction) -> None:
        """What was decided about a plan of ours, or a halt of the decision maker."""
        del transaction
        if strand.kind == STATE:
            self._mirror.take_state(strand)
        elif strand.kind == DECISION and not _is_unreadable(strand):
            verdict = verdict_of(strand)
            if isinstance(verdict, TradeSignalRejected):
                self.rejected += 1
                await self._bus.publish("TRADE_SIGNAL_REJECTED", verdict, source=SOURCE)
            else:
                self.approved += 1
                await self._bus.publish("TRADE_SIGNAL_APPROVED", verdict, source=SOURCE)

    def _on_proposed(self, event: Event) -> None:
        signal = event.payload
        assert isinstance(signal, TradeSignalProposed)
        if event.replayed:
            return
        blocked = self._why_not(signal.trading_pair) if signal.side == "BUY" else None
        if blocked is not None:
            self._refuse(signal, *blocked)
            return
        self._put(signal)

    def _put(self, asked_for: TradeSignalProposed | Withdrawal) -> None:
        self._waiting.append(asked_for)
        if not self._writing:
            self._writing = True
            self._tasks.start(self._write_all(), "plans")

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                if not await self._written(self._waiting[0]) and not self._ending:
                    await asyncio.sleep(self._retry_s)
                    continue
                self._waiting.popleft()
        finally:
            self._writing = False

    async def _written(self, asked_for: TradeSignalProposed | Withdrawal) -> bool:
        """Whether it needs no other try."""
        if isinstance(asked_for, Withdrawal):
            return await self._write(self._withdrawn(asked_for))
        if self._clock.now_ns() > asked_for.expires_at:
            self._refuse(asked_for, "STALE_SIGNAL", "it expired before the database took it")
            return True
        written = await self._write(self._plan(asked_for))
        self.written += written
        return written

    async def _write(self, strand: AdStrand) -> bool:
        """Whether it stands in the table now. A plan that was written by a try without an answer stands there once."""
        try:
            await self._strands.write_with_tags(strand)
        except StorageError as error:
            log.warning("a %s is not written yet: %s", strand.kind, error)
            return False
        return True

    def _plan(self, signal: TradeSignalProposed) -> AdStrand:
        tags = self._telling.tags(
            EVALUATE_PLAN, expires_at=signal.expires_at, now_ns=self._clock.now_ns(), sender=self._name
        )
        lineage = lineage_of(signal, self._provenance.of(signal.signal_id), self._models)
        return plan_strand(signal, tags, timeframe=self._timeframe, provenance=lineage)

    def _withdrawn(self, withdrawal: Withdrawal) -> AdStrand:
        return asked(withdrawal, self._telling.tags(EVALUATE_PLAN, sender=self._name))

    def _refuse(self, signal: TradeSignalProposed, code: str, why: str) -> None:
        refusal = TradeSignalRejected(
            signal_id=signal.signal_id, trading_pair=signal.trading_pair, exchange=signal.exchange,
            side=signal.side, reason=code, details={"value": why},
        )  # fmt: skip
        self._bus.emit("TRADE_SIGNAL_REJECTED", refusal, source=SOURCE)


def _is_unreadable(strand: Strand) -> bool:
    assert isinstance(strand, DmStrand)
    return (strand.dm_decision or {}).get("reason") == UNREADABLE
