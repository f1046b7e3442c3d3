"""The orders that protect a position or sell it: each under an id that no other has, journalled and sent by execution."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from gal_friday_core.brackets import Bracket
from gal_friday_core.orders import Order, Purpose, TimeInForce
from gal_friday_core.payloads import OrderType
from gal_friday_core.ports import Clock, Ids
from gal_friday_live.execution_handler import ExecutionHandler

DEADLINE_SHARE = Fraction(2, 5)
"""Of the deadline of other orders: what is not known to have arrived keeps its successor waiting."""


class ProtectionOrders:
    """`placed` counts what was sent by purpose."""

    def __init__(self, execution: ExecutionHandler, clock: Clock, ids: Ids) -> None:
        self._execution = execution
        self._clock = clock
        self._ids = ids
        self._sequence = 0
        self.placed: Counter[str] = Counter()

    def take_target(self, bracket: Bracket, quantity: Decimal) -> None:
        """Sell at the target what is bought there now."""
        self.send(bracket, "TARGET", "LIMIT", quantity, limit_price=bracket.target, time_in_force="IOC")

    def send(
        self,
        bracket: Bracket,
        purpose: Purpose,
        order_type: OrderType,
        quantity: Decimal,
        *,
        limit_price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        time_in_force: TimeInForce = "GTC",
    ) -> None:
        """A sale of what the bracket protects; what becomes of it is told by reports."""
        now = self._clock.now_ns()
        order = Order(
            client_order_id=self._fresh_id(purpose, bracket.entry, now),
            signal_id=bracket.signal_id,
            trading_pair=bracket.pair,
            side="SELL",
            order_type=order_type,
            quantity=quantity,
            created_at=now,
            deadline=now + int(self._execution.deadline_ns * DEADLINE_SHARE),
            limit_price=limit_price,
            trigger_price=trigger_price,
            reduce_only=True,
            purpose=purpose,
            parent=bracket.entry,
            time_in_force=time_in_force,
        )
        self.placed[purpose] += 1
        self._execution.place(order)

    def _fresh_id(self, purpose: Purpose, entry: str, now: int) -> str:
        """An id that no order has, those of earlier runs included."""
        while True:
            self._sequence += 1
            fresh = self._ids.derived(purpose, entry, str(now), str(self._sequence))
            if fresh not in self._execution.blotter:
                return fresh
