"""Keeps every position protected on a venue that attaches a stop to an entry but no target.

The venue's stop rests, one for each fill of the entry; the target is ours. When the verified book's best bid
reaches it, the plan is journalled, the stops are cancelled, and what the venue has confirmed as free is sold
at the target; the rest gets its stop back. An exit goes the same way. What to do next is `core.brackets`'
decision, taken anew after every report, so that a crash at any point is mended by the next look.

A venue that keeps both itself needs none of this: there the keeper stays idle.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gal_friday_core.blotter import OrderRecord
from gal_friday_core.brackets import (
    Action,
    Brackets,
    Cancel,
    Desk,
    GrowStop,
    Offer,
    PlaceStop,
    SellNow,
    SendFreed,
    Swap,
    TakeTarget,
    decide,
    selling,
    unprotected,
)
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.events import Event
from gal_friday_core.instruments import Instrument
from gal_friday_core.orders import Amendment, Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Book, Clock, Exchange, Ids, Journal
from gal_friday_live import stuck_exits
from gal_friday_live.attached_stops import attached_stops
from gal_friday_live.bus import PubSubManager
from gal_friday_live.buyers import Buyers
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.passed_stops import PassedStops
from gal_friday_live.pauses import Pauses
from gal_friday_live.protection_orders import ProtectionOrders
from gal_friday_live.refused_protection import FIRST_PAUSE_S, RefusedProtection, call_for_halt
from gal_friday_live.strategy_arbitrator import Positions
from gal_friday_live.stuck_exits import StuckExits
from gal_friday_live.target_watch import TargetWatch
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate

KIND = "PROTECTION"
GRACE_S = 2.0
"""How long after a fill a stop that the venue attaches may take to be reported."""
PAUSE_S = 5.0
"""After a target was tried and not wholly taken, the next try waits: each costs the venue's rate limit."""
STEPS = 8
"""At one look; whatever is left is done at the next."""
OFFER_S = 5.0
"""An offer in place of a stop rests so long before it gives way to buyers: each time costs the venue's rate limit."""

log = logging.getLogger(__name__)


class ProtectionKeeper:
    """`swaps` counts the times that stops gave way to a sale.

    `book` gives a pair's verified book of this moment, or None. `watch` is the sink that hears the market.
    """

    def __init__(
        self,
        event_bus: PubSubManager,
        *,
        execution: ExecutionHandler,
        exchange: Exchange,
        journal: Journal,
        positions: Positions,
        instruments: Iterable[Instrument],
        book: Callable[[str], Book | None],
        gate: TradingGate,
        clock: Clock,
        ids: Ids,
        tasks: TaskSupervisor,
        brackets: Brackets | None = None,
        grace_s: float = GRACE_S,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = event_bus
        self._execution = execution
        self._blotter = execution.blotter
        self._exchange = exchange
        self._journal = journal
        self._positions = positions
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self._book = book
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._grace_s = grace_s
        self._swaps: dict[str, Swap] = {}
        self._pauses = Pauses(self.tend, timer)
        self._stuck = StuckExits(self._halt_over_stuck, timer=timer)
        self._passed = PassedStops(execution.unknown.add)
        self._refused = RefusedProtection(gate, event_bus)
        self._orders = ProtectionOrders(execution, clock, ids)
        self._buyers = Buyers()
        self._unverified: set[str] = set()  # pairs whose open orders must be read before anything is placed
        self._busy: set[str] = set()  # pairs for which the venue is being asked or an amendment is on its way
        self._tending: set[str] = set()
        self._crumbs: dict[str, Decimal] = {}
        self._sold: set[str] = set()  # pairs whose position was sold: no stop of theirs may be left
        self._subscription: str | None = None
        self.active = not exchange.capabilities.attached_target
        self.brackets = brackets if brackets is not None else Brackets()
        self.watch = TargetWatch(self.tend)
        self.swaps = 0

    @property
    def placed(self) -> Counter[str]:
        """What it sent, by purpose."""
        return self._orders.placed

    async def start(self) -> None:
        """After the portfolio, which must have booked a fill before its protection is judged."""
        if self.active:
            self._execution.exits_through(self)
            self._subscription = self._bus.subscribe("EXECUTION_REPORT", self._on_report)
            for pair in self.brackets.pairs():
                self._changed(pair)

    async def stop(self) -> None:
        """Protection stays where it is."""
        if self._subscription is not None:
            self._bus.unsubscribe(self._subscription)

    def check(self) -> None:
        """Look at every pair anew: after a start, after the line came back, and every so often."""
        for pair in self.brackets.pairs():
            self._unverified.add(pair)
            self.tend(pair)
            self._ask_about_passed(pair)
        self._stuck.look(self._swaps)

    def unprotected(self) -> tuple[str, ...]:
        """Pairs of which something is held that nothing on the venue would sell."""
        return tuple(pair for pair in self.brackets.pairs() if self._is_unprotected(pair))

    def exit(self, order: Order, expires_at: int) -> None:
        """Send an exit as soon as protection has let go of what it sells."""
        pair = order.trading_pair
        swap = self._swaps.get(pair)
        if swap is not None and swap.order is not None:
            if swap.order.client_order_id != order.client_order_id:
                self._execution.refuse(order, "REJECTED", "EXIT_PENDING")
            return
        if swap is not None:  # a target on its way: the exit takes its place, the stops are leaving already
            swap.kind, swap.order, swap.expires_at = "EXIT", order, expires_at
            return
        if not self._standing(pair):
            self._execution.place(order, expires_at)
            return
        self._begin(pair, Swap("EXIT", order, expires_at), order.limit_price)

    def tend(self, pair: str) -> None:
        """Do what is to be done for the pair's protection now, step after step."""
        if not self.active or pair in self._tending:
            return
        self._tending.add(pair)
        try:
            for _ in range(STEPS):
                desk = self._desk(pair)
                action = decide(desk) if desk is not None else None
                if desk is None or action is None or not self._act(pair, desk, action):
                    break
        finally:
            self._tending.discard(pair)
        self._say_whether_protected(pair)

    def _on_report(self, event: Event) -> None:
        report = event.payload
        assert isinstance(report, ExecutionReport)
        if event.replayed:
            return
        pair = report.trading_pair
        record = self._blotter.get(report.client_order_id)
        if record is not None and report.execution_id is not None:
            self.brackets.apply(record.order, report)
            self._changed(pair, bought=report.side == "BUY")
        if record is not None:
            self._judge(pair, record)
        self.tend(pair)

    def _changed(self, pair: str, *, bought: bool = True) -> None:
        """A fill: watch the target, and give the venue time to tell of the stop that it attaches to what was bought."""
        bracket = self.brackets.get(pair)
        self.watch.watch(pair, bracket.target if bracket is not None else None)
        if bracket is None:
            self._sold.add(pair)
            self._pauses.begin(pair, "orphans", max(self._grace_s, 1.0))
            return
        self._sold.discard(pair)
        if bought and self._exchange.capabilities.attached_stop:
            self._unverified.add(pair)
            self._pauses.begin(pair, "fill", self._grace_s)

    def _judge(self, pair: str, record: OrderRecord) -> None:
        """Protection of ours that was refused, or could not stand, is tried again later; a target that missed, too."""
        order = record.order
        if order.parent is None or record.is_open:
            return
        if order.purpose == "TARGET":
            if record.filled < record.quantity:
                self._pauses.begin(pair, "target", PAUSE_S)
        elif record.status in ("REJECTED", "ERROR"):
            self._pauses.begin(pair, "refused", self._refused.count(pair))
        elif self._buyers.judge(pair, record, asked=pair in self._swaps):
            self._pauses.begin(pair, "refused", FIRST_PAUSE_S)

    def _desk(self, pair: str) -> Desk | None:
        bracket = self.brackets.get(pair)
        instrument = self._instruments.get(pair)
        if bracket is None or instrument is None:
            self._end_orphans(pair)
            swap = self._swaps.pop(pair, None)
            if swap is not None and swap.order is not None:
                self._execution.refuse(swap.order, "CANCELED", "POSITION_CLOSED")
            return None
        return Desk(
            bracket=bracket,
            position=self._positions.position(pair).quantity,
            sells=self._blotter.sells(pair),
            entries=tuple(self._blotter.entries(pair)),
            swap=self._swaps.get(pair),
            best_bid=self._best_bid(pair),
            instrument=instrument,
            amends=self._exchange.capabilities.amends,
            settled=pair not in self._busy and not self._pauses.holds(pair, "fill", "refused"),
            may_take_target=not self._pauses.holds(pair, "target"),
            nobody_buys=self._buyers.are_gone(pair) and self._book(pair) is not None,
            may_lift_offer=not self._pauses.holds(pair, "offer"),
        )

    def _end_orphans(self, pair: str) -> None:
        """Stops that outlived what they protected would sell what is bought next."""
        if pair in self._sold and not self._pauses.holds(pair, "orphans"):
            self._sold.discard(pair)
            self._cancel(
                pair, tuple(record.order.client_order_id for record in self._blotter.sells(pair).stops)
            )

    def _best_bid(self, pair: str) -> Decimal | None:
        book = self._book(pair)
        if book is None or not len(book.bid_prices):
            return None
        return Decimal(int(book.bid_prices[0])).scaleb(-book.price_decimals)

    def _ask_about_passed(self, pair: str) -> None:
        bracket = self.brackets.get(pair)
        if bracket is not None and pair not in self._swaps:
            self._passed.look(pair, self._blotter.sells(pair).stops, bracket.stop, self._best_bid(pair))

    def _act(self, pair: str, desk: Desk, action: Action) -> bool:
        """Carry out one step; whether another may follow at once."""
        if isinstance(action, TakeTarget):
            self._begin(pair, Swap("TARGET"), action.limit)
        elif isinstance(action, Cancel):
            self._buyers.try_again(pair)
            return self._cancel(pair, action.client_order_ids)
        elif isinstance(action, SendFreed):
            self._send_freed(pair, desk, action.quantity)
        elif pair in self._unverified:
            self._busy.add(pair)
            self._tasks.start(self._verify(pair), f"verify {pair}")
            return False
        else:
            return self._mend(pair, desk, action)
        return True

    def _mend(self, pair: str, desk: Desk, action: Action) -> bool:
        """Protect what has no stop; whether another step may follow at once."""
        if isinstance(action, PlaceStop):
            self._orders.send(
                desk.bracket, "STOP", "STOP_LOSS", action.quantity, trigger_price=action.trigger
            )
        elif isinstance(action, Offer):
            self._pauses.begin(pair, "offer", OFFER_S)
            self._orders.send(desk.bracket, "STOP", "LIMIT", action.quantity, limit_price=action.limit)
        elif isinstance(action, SellNow):
            self._orders.send(desk.bracket, "EXIT", "MARKET", action.quantity)
        elif isinstance(action, GrowStop):
            self._busy.add(pair)
            self._tasks.start(self._grow(pair, action), f"grow {action.client_order_id}")
            return False
        else:
            if self._crumbs.get(pair) != desk.free:  # asked at every tick, told once
                log.info("%s: %s is too little for any order of the venue", pair, desk.free)
                self._crumbs[pair] = desk.free
            return False
        return True

    def _cancel(self, pair: str, client_order_ids: tuple[str, ...]) -> bool:
        swap = self._swaps.get(pair)
        if swap is None:  # nothing else remembers what was asked
            if self._pauses.holds(pair, "joined"):
                return False
            self._pauses.begin(pair, "joined", max(self._grace_s, 1.0))
        for key in client_order_ids:
            if swap is not None:
                swap.asked.add(key)
            self._tasks.start_now(self._execution.cancel(key), f"cancel {key}")
        return True

    def _begin(self, pair: str, swap: Swap, limit: Decimal | None) -> None:
        self._swaps[pair] = swap
        self._tasks.start_now(self._plan(pair, swap, limit), f"protection {pair}")

    async def _plan(self, pair: str, swap: Swap, limit: Decimal | None) -> None:
        """The plan is durable before the first stop goes. Raises StorageError: then the stops stay."""
        now = self._clock.now_ns()
        bracket = self.brackets.get(pair)
        record: dict[str, Any] = {
            "pair": pair,
            "swap": swap.kind,
            "entry": bracket.entry if bracket is not None else None,
            "order": swap.order.client_order_id if swap.order is not None else None,
            "limit": limit,
            "standing": [record.order.client_order_id for record in self._standing(pair)],
        }
        try:
            await self._journal.append(KIND, self._ids.derived("protection", pair, str(now)), now, record)
            swap.durable = True
            self.swaps += 1
        finally:
            if not swap.durable:
                self._swaps.pop(pair, None)
                self._pauses.begin(pair, "target", PAUSE_S)
                if swap.order is not None:
                    self._execution.refuse(swap.order, "ERROR", "PLAN_NOT_JOURNALLED")
        self.tend(pair)

    def _send_freed(self, pair: str, desk: Desk, quantity: Decimal) -> None:
        """The swap ends here: what comes of the sale is told by reports, the rest gets its stop back."""
        swap = self._swaps.pop(pair)
        self._pauses.end(pair, "fill")  # nothing is attached any more: no need to wait for it
        if swap.order is None:
            if quantity > 0:
                self._pauses.begin(pair, "target", PAUSE_S)
                self._orders.take_target(desk.bracket, quantity)
        elif quantity > 0:
            sold = min(swap.order.quantity, quantity)
            self._execution.place(replace(swap.order, quantity=sold), swap.expires_at)
        else:
            self._execution.refuse(swap.order, "CANCELED", "POSITION_CLOSED")

    async def _grow(self, pair: str, action: GrowStop) -> None:
        """The new quantity arrives as a report; should it not, the next look tries again."""
        try:
            taken = await self._execution.amend(action.client_order_id, Amendment(quantity=action.quantity))
        finally:
            self._busy.discard(pair)
        self._pauses.begin(pair, "fill" if taken else "refused", max(self._grace_s, 1.0))

    async def _verify(self, pair: str) -> None:
        """Before a stop is placed, read what the venue has: a stop that it attached may not have been told."""
        try:
            for report in await attached_stops(self._exchange, self._blotter, pair):
                await self._execution.absorb(report)
            self._unverified.discard(pair)
        except (ExchangeError, OutcomeUnknownError, TimeoutError, OSError) as error:
            log.warning("%s: open orders cannot be read, protection waits: %s", pair, error)
            self._pauses.begin(pair, "fill", max(self._grace_s, 1.0))
        finally:
            self._busy.discard(pair)
        self.tend(pair)

    def _standing(self, pair: str) -> list[OrderRecord]:
        """Orders that hold or sell what an exit would sell, or may add to it."""
        sells = self._blotter.sells(pair)
        return [*sells.stops, *sells.leaving, *selling(sells), *self._blotter.entries(pair)]

    def _is_unprotected(self, pair: str) -> bool:
        desk = self._desk(pair)
        return desk is not None and unprotected(desk) and not self._pauses.holds(pair, "fill")

    def _say_whether_protected(self, pair: str) -> None:
        """Orders for protection that the venue refuses keep entries back, and call for a halt."""
        self._refused.tell(pair, self._desk(pair) if self._refused.any_of(pair) else None)

    def _halt_over_stuck(self, pair: str, seconds: float) -> None:
        why = f"its stops have not given way to a sale for {seconds:.0f} s"
        call_for_halt(self._bus, stuck_exits.CODE, pair, why)
