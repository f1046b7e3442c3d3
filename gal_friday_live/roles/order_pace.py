"""The account's orders, counted by who does not send them: the decision maker counts each by the first report of it.

So its limit on orders a minute holds over everything that is asked of the account: the orders of all alphas, protection,
and what it refuses itself.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from gal_friday_core.blotter import EXTERNAL, OrderRecord
from gal_friday_core.booked_trades import purpose_of
from gal_friday_core.events import Event
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Clock
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.order_rate import OrderRate

REMEMBERED: Final = 10_000
"""Orders; a stop that rests for longer than that many others counts twice."""
NEVER_ASKED: Final = frozenset({"EXPIRED", "ERROR"})
"""What a first report says of an order that never came to be sent."""


class OrdersTold:
    """What was reported late, since nobody listened, counts where it is of the last minute."""

    def __init__(self, bus: PubSubManager, rate: OrderRate, clock: Clock) -> None:
        self._bus = bus
        self._rate = rate
        self._clock = clock
        self._known: OrderedDict[str, None] = OrderedDict()
        self._subscriptions: list[str] = []

    def adopt(self, orders: Iterable[OrderRecord]) -> None:
        """Orders of earlier runs; before `start`."""
        for record in orders:
            self._is_new(record.order.client_order_id)

    async def start(self) -> None:
        self._subscriptions = [self._bus.subscribe("EXECUTION_REPORT", self._on_report)]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def _on_report(self, event: Event) -> None:
        report = event.payload
        assert isinstance(report, ExecutionReport)
        key = report.client_order_id
        # What the exchange makes itself, such as an attached stop, is named by it.
        sent = not key.startswith(EXTERNAL) and not purpose_of(key, "")
        if not sent or not self._is_new(key):
            return
        recent = report.timestamp_exchange > self._clock.now_ns() - MINUTE_NS
        if recent and report.order_status not in NEVER_ASKED:
            self._rate.asked_elsewhere()

    def _is_new(self, client_order_id: str) -> bool:
        if client_order_id in self._known:
            return False
        self._known[client_order_id] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return True
