"""The halt on order rate: an engine that asks for orders faster than it ever should has run away, and is stopped."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from gal_friday_core.config import RiskConfig
from gal_friday_core.orders import Order
from gal_friday_core.payloads import PotentialHaltTrigger
from gal_friday_core.ports import Clock
from gal_friday_core.risk.codes import Rejected, refuse
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.halt import IsHalted

SOURCE = "OrderRate"
CODE = "ORDER_RATE_ANOMALY"
RESTLESS = frozenset({"ORDER_RATE_EXCEEDED", "DUPLICATE_ORDER", "DUPLICATE_SIGNAL"})
"""Refusals that say what asks does not stop asking."""


class OrderRate:
    """Counts each order about to be sent, exits and protection too, and each buy refused as too many or as a repetition.

    More than `risk.halt_orders_per_minute` in any sixty seconds calls for a halt. `limits` gives those in force.
    Both calls are synchronous: nothing comes between the look at an order and its send.
    """

    def __init__(
        self, event_bus: PubSubManager, *, clock: Clock, limits: Callable[[], RiskConfig], is_halted: IsHalted
    ) -> None:
        self._bus = event_bus
        self._now_ns = clock.now_ns
        self._limits = limits
        self._is_halted = is_halted
        self._asked: deque[int] = deque()

    def refused(self, code: str) -> None:
        """A signal was refused: what asks for it is still there."""
        if code in RESTLESS:
            self._count()

    def why(self, order: Order) -> Rejected | None:
        """Why an entry may not leave: what reduces is let out at any rate."""
        over = self._count()
        return None if order.reduce_only else over

    def _count(self) -> Rejected | None:
        now_ns, most = self._now_ns(), self._limits().halt_orders_per_minute
        asked, since = self._asked, now_ns - MINUTE_NS
        while asked and asked[0] <= since:
            asked.popleft()
        asked.append(now_ns)
        if len(asked) <= most:
            return None
        if len(asked) > most + 1:
            asked.popleft()  # by how much it is too many does not matter: it stays small
        if not self._is_halted():
            reason = f"{CODE}: more than {most} orders within a minute (risk.halt_orders_per_minute)"
            self._bus.emit(
                "POTENTIAL_HALT_TRIGGER", PotentialHaltTrigger(reason=reason, source=SOURCE), source=SOURCE
            )
        return refuse("ORDER_RATE_EXCEEDED", Decimal(most), Decimal(most + 1))
