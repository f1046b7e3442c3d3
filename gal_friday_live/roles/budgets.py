"""The trader's account of what approved plans will still take: the decision maker's reservations, followed here too."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from gal_friday_core.blotter import OrderRecord
from gal_friday_core.config import Config, RiskConfig
from gal_friday_core.events import Event
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import ExecutionReport, TradeSignalApproved
from gal_friday_core.portfolio import Position
from gal_friday_core.reservations import Reservation, Reservations
from gal_friday_core.strands.strands import DmStrand
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager


class Budgets:
    """`limits` are those in force: a reload may have tightened them."""

    def __init__(
        self,
        config: ConfigurationManager,
        bus: PubSubManager,
        reservations: Reservations,
        *,
        position: Callable[[str], Position],
    ) -> None:
        self._config = config
        self._bus = bus
        self._reservations = reservations
        self._position = position
        self._limits = config.config.risk
        self._subscriptions: list[str] = []
        reservations.fee_rate = config.config.costs.taker_fee

    @property
    def limits(self) -> RiskConfig:
        return self._limits

    async def start(self) -> None:
        self._config.on_reload(self._take_limits)
        self._subscriptions = [self._bus.subscribe("EXECUTION_REPORT", self._on_report)]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def adopt(self, orders: Iterable[OrderRecord]) -> None:
        """Reserve what orders of earlier runs may still fill; before `start`."""
        for record in orders:
            order = record.order
            held = self._position(order.trading_pair)
            price = order.target_price or order.stop_price or held.average_entry_price
            self._reservations.adopt(order, record.left, price)

    def reserve(self, approved: TradeSignalApproved, command: DmStrand) -> None:
        """Hold what the decision maker holds for it, unless that is held already."""
        if approved.signal_id not in self._reservations:
            self._reservations.reserve(reservation_of(approved, command, self._reservations.fee_rate))

    def release(self, signal_id: str) -> None:
        self._reservations.release(signal_id)

    def _take_limits(self, config: Config) -> None:
        self._limits = config.risk

    def _on_report(self, event: Event) -> None:
        report = event.payload
        assert isinstance(report, ExecutionReport)
        self._reservations.on_report(report)


def reservation_of(approved: TradeSignalApproved, command: DmStrand, fee_rate: Decimal) -> Reservation:
    """The reservation that travelled with the plan; of a plan without one, its worst case by its own prices."""
    budget = command.dm_budget or {}
    price = approved.limit_price or approved.reference_price or ZERO
    return Reservation(
        signal_id=approved.signal_id,
        trading_pair=approved.trading_pair,
        side=approved.side,
        quantity=approved.quantity,
        price=Decimal(budget["price"]) if "price" in budget else price,
        fee_rate=Decimal(budget["fee_rate"]) if "fee_rate" in budget else fee_rate,
    )
