"""The trader's side: approved plans onto its bus, each acknowledged once its order has durably begun or ended."""

import logging
from collections import OrderedDict
from typing import Any, Final

import msgspec

from gal_friday_adapters.strands.transaction import Fate, Transaction
from gal_friday_core.errors import ContractError, StorageError
from gal_friday_core.payloads import TradeSignalApproved
from gal_friday_core.ports import Clock, Ids
from gal_friday_core.strands.codec import approved_of
from gal_friday_core.strands.strands import STATE, WITHDRAWAL, DmStrand, Strand, tags_of
from gal_friday_live.bus import PubSubManager
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.roles.budgets import Budgets
from gal_friday_live.roles.journals import WatchedJournal
from gal_friday_live.roles.lineage import REMEMBERED, PlannedProvenance
from gal_friday_live.roles.states import State, change_of, heed, state_of
from gal_friday_live.roles.withdrawal import Withdrawal, withdrawal_of
from gal_friday_live.trading_gate import TradingGate

SOURCE = "CommandBridge"
PLAN: Final = "PLAN"
"""Kind of the journal record under a signal's id: which strand asked for it, and all that its lineage told."""
BEGIN_WITHIN_S: Final = 10.0
"""An exit waits until protection has let go of what it sells."""

log = logging.getLogger(__name__)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as the trader's journal keeps it: `strand` is the order to the trader, `plan` the alpha's."""

    strand: str
    plan: str | None = None
    lineage: dict[str, Any] | None = None


class CommandBridge:
    """One order a signal: the journal knows which have begun, whoever asks again. `taken` counts."""

    def __init__(
        self,
        bus: PubSubManager,
        *,
        execution: ExecutionHandler,
        journal: WatchedJournal,
        budgets: Budgets,
        provenance: PlannedProvenance,
        gate: TradingGate,
        clock: Clock,
        ids: Ids,
        begin_within_s: float = BEGIN_WITHIN_S,
    ) -> None:
        self._bus = bus
        self._execution = execution
        self._journal = journal
        self._budgets = budgets
        self._provenance = provenance
        self._gate = gate
        self._clock = clock
        self._ids = ids
        self._within_s = begin_within_s
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self.taken = 0

    async def restore(self) -> None:
        """Which plans asked for the orders that are known: their reports name them."""
        async for line in self._journal.lines((PLAN,)):
            self._keep(line.key, msgspec.json.decode(line.record, type=Asked))

    def plan_of(self, signal_id: str) -> str | None:
        """The alpha's plan behind a signal, for whoever reports of it."""
        asked = self._asked.get(signal_id)
        return None if asked is None else asked.plan

    async def handle(self, strand: Strand, transaction: Transaction) -> None:
        """A plan to carry out, entries that are to wait no longer, or a halt of the decision maker.

        Raises StorageError where the order has not begun in time: then the plan is handled again, and what has begun
        meanwhile is not begun twice.
        """
        del transaction
        if strand.kind == STATE:
            await self._heed(state_of(strand))
            return
        if strand.kind == WITHDRAWAL:
            await self._take_back(withdrawal_of(strand), strand.id)
            return
        approved = approved_of(strand)
        assert isinstance(strand, DmStrand)
        order_id = self._ids.derived("order", approved.signal_id)
        if order_id not in self._execution.blotter:
            await self._remember(approved, strand)
            self._budgets.reserve(approved, strand)
            await self._bus.publish("TRADE_SIGNAL_APPROVED", approved, source=SOURCE)
        if not await self._journal.begun(order_id, self._within_s):
            raise StorageError(
                f"order {order_id} of strand {strand.id} has not begun after {self._within_s:g} s"
            )
        self.taken += 1

    async def on_fate(self, strand: Strand, fate: Fate, why: str, transaction: Transaction) -> None:
        """Report the end of an order that will never be: whoever reserved for it must hear."""
        del transaction
        if not isinstance(strand, DmStrand) or strand.kind in (STATE, WITHDRAWAL):
            return
        try:
            approved = approved_of(strand)
        except ContractError:
            return
        order_id = self._ids.derived("order", approved.signal_id)
        if order_id not in self._execution.blotter:
            await self._remember(approved, strand)
            self._execution.give_up(approved, "EXPIRED" if fate == "expired" else "ERROR", why)
        if not await self._journal.begun(order_id, self._within_s):
            raise StorageError(
                f"the end of order {order_id} is not in the journal after {self._within_s:g} s"
            )

    async def _heed(self, state: State) -> None:
        """A halt of the decision maker cancels what waits here, unless it says otherwise, as one of our own would."""
        heed(self._gate, state)
        change = change_of(state)
        if change is not None:
            await self._bus.publish("SYSTEM_STATE_CHANGE", change, source=SOURCE)

    async def _take_back(self, withdrawal: Withdrawal, strand: str) -> None:
        """Each cancel was asked for when this returns; one without an answer is asked for again.

        What was ordered by a later strand stays: ids grow, and a withdrawal that was tried again may come behind it.
        """
        for pair in withdrawal.pairs:
            for record in self._execution.blotter.entries(pair):
                order = record.order
                asked = self._asked.get(order.signal_id)
                if asked is None or asked.strand < strand:
                    log.info("order %s is cancelled: %s", order.client_order_id, withdrawal.why)
                    await self._execution.cancel(order.client_order_id)

    async def _remember(self, approved: TradeSignalApproved, strand: DmStrand) -> None:
        """Durable before the order's intent, which names the model, data and code that the alpha told of."""
        lineage = None if strand.dm_alpha is None else dict(strand.dm_alpha)
        asked = Asked(strand=strand.id, plan=tags_of(strand).original, lineage=lineage)
        now_ns = self._clock.now_ns()
        await self._journal.append(PLAN, approved.signal_id, now_ns, msgspec.to_builtins(asked))
        self._keep(approved.signal_id, asked)

    def _keep(self, signal_id: str, asked: Asked) -> None:
        self._asked[signal_id] = asked
        self._provenance.take(signal_id, asked.lineage)
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
