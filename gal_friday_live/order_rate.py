"""The halt on order rate: an engine that asks for orders faster than it ever should has run away, and is stopped."""

from collections.abc import Callable

from gal_friday_core.config import RiskConfig
from gal_friday_core.orders import Order
from gal_friday_core.payloads import PotentialHaltTrigger
from gal_friday_core.ports import Clock
from gal_friday_core.risk.codes import Rejected
from gal_friday_core.risk.order_count import RESTLESS, OrderCount, anomaly
from gal_friday_live.bus import PubSubManager
from gal_friday_live.halt import IsHalted

SOURCE = "OrderRate"


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
        self._asked = OrderCount()

    def refused(self, code: str) -> None:
        """A signal was refused: what asks for it is still there."""
        if code in RESTLESS:
            self._count()

    def asked_elsewhere(self) -> None:
        """Another process of the account was about to send an order."""
        self._count()

    def why(self, order: Order) -> Rejected | None:
        """Why an entry may not leave: what reduces is let out at any rate."""
        over = self._count()
        return None if order.reduce_only else over

    def within_a_minute(self) -> int:
        """How many were counted in the last sixty seconds."""
        return self._asked.within_a_minute(self._now_ns())

    def _count(self) -> Rejected | None:
        most = self._limits().halt_orders_per_minute
        over = self._asked.one_more(self._now_ns(), most)
        if over is not None and not self._is_halted():
            trigger = PotentialHaltTrigger(reason=anomaly(most), source=SOURCE)
            self._bus.emit("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)
        return over
