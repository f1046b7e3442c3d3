"""The last look at an order before it is sent, with the account as it is at that instant."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO
from gal_friday_core.orders import Order
from gal_friday_core.payloads import OrderType
from gal_friday_core.portfolio import Position
from gal_friday_core.ports import Clock
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.codes import Rejected
from gal_friday_core.risk.desk import TradingState
from gal_friday_core.risk.orders import Account, deny


class OrderChecks:
    """`why(order)` is synchronous: nothing comes between it and the send.

    `limits` gives those in force, `position` and `cash` what the account holds, `order_types` what the venue takes.
    """

    def __init__(
        self,
        *,
        instruments: Iterable[Instrument],
        reservations: Reservations,
        clock: Clock,
        costs: CostsConfig,
        limits: Callable[[], RiskConfig],
        position: Callable[[str], Position],
        cash: Callable[[], Decimal],
        order_types: Callable[[], frozenset[OrderType]],
        trading: Callable[[], TradingState] = lambda: "ACTIVE",
    ) -> None:
        self._instruments = {instrument.pair: instrument for instrument in instruments}
        self._reservations = reservations
        self._clock = clock
        self._fee_rate = costs.taker_fee
        self._limits = limits
        self._position = position
        self._cash = cash
        self._order_types = order_types
        self._trading = trading

    def listed(self, pair: str, status: str) -> None:
        """Which orders the venue takes in the pair from now on."""
        known = self._instruments.get(pair)
        if known is not None and known.status != status:
            self._instruments[pair] = replace(known, status=status)

    def why(self, order: Order) -> Rejected | None:
        """Why the order may not be sent now, or None. Its own reservation is not held against it.

        Protection and liquidation pass: whoever keeps a position safe answers for them, and a venue's refusal of
        one is dealt with there.
        """
        if order.purpose not in ("ENTRY", "EXIT"):
            return None
        instrument = self._instruments.get(order.trading_pair)
        if instrument is None:
            return Rejected(
                "UNKNOWN_PAIR", {"limit": ", ".join(self._instruments), "value": order.trading_pair}
            )
        limits, reservations = self._limits(), self._reservations
        own = reservations.of(order.signal_id)
        position = self._position(order.trading_pair)
        selling, reserved = reservations.selling(order.trading_pair), reservations.cash()
        price = order.stop_price or ZERO
        if own is not None and own.reservation.side == order.side:
            price = own.reservation.price
            selling -= own.reservation.quantity if order.side == "SELL" else ZERO
            reserved -= own.cash
        elif order.side == "SELL":
            price = position.average_entry_price
        account = Account(
            instrument=instrument,
            order_types=self._order_types(),
            now_ns=self._clock.now_ns(),
            held=position.quantity,
            selling=selling,
            free=self._cash() - reserved,
            fee_rate=self._fee_rate,
            price=price,
            max_order_value=limits.max_order_value,
            min_order_value=limits.min_order_value,
            trading=self._trading(),
        )
        return deny(order, account)
