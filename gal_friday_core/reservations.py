"""What approved signals will still take: counted from the risk check until their order's fate is known."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, fee_of, value_of
from gal_friday_core.orders import TERMINAL, Order
from gal_friday_core.payloads import ExecutionReport, Side

ENDED_EXTERNALS = 1_000
"""Orders of others whose end is remembered, so that a late report does not bring them back."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One signal's worst case: `quantity` in base units at `price`, with the fee on top for a buy."""

    signal_id: str
    trading_pair: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee_rate: Decimal

    @property
    def value(self) -> Decimal:
        return value_of(self.quantity, self.price)

    @property
    def cash(self) -> Decimal:
        """What the account must be able to pay: nothing for a sell."""
        return _cash(self, self.value)


def _cash(reservation: Reservation, value: Decimal) -> Decimal:
    return value + fee_of(value, reservation.fee_rate) if reservation.side == "BUY" else ZERO


class Held(msgspec.Struct, frozen=True, gc=False):
    """A reservation with what it adds to the sums."""

    reservation: Reservation
    value: Decimal
    cash: Decimal


class Reservations:
    """Open, in-flight and unknown orders by signal. Buys and sells are never netted.

    Netting pending sells against buys breaks limits whenever the buys fill first. Orders that somebody else
    placed on the account count from their first report, at `fee_rate`. Sums are kept, not made anew: they are
    exact, and asked for on every signal.
    """

    def __init__(self, open_orders: Iterable[Reservation] = (), *, fee_rate: Decimal = ZERO) -> None:
        self._by_signal: dict[str, Held] = {}
        self.fee_rate = fee_rate
        self._buying: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._selling: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._value = self._cash = ZERO
        self._ended: dict[str, None] = {}
        for reservation in open_orders:
            self.reserve(reservation)

    def __contains__(self, signal_id: str) -> bool:
        return signal_id in self._by_signal

    def __len__(self) -> int:
        return len(self._by_signal)

    def of(self, signal_id: str) -> Held | None:
        """What the signal still holds."""
        return self._by_signal.get(signal_id)

    def reserve(self, reservation: Reservation) -> None:
        """Raises ContractError where the signal holds a reservation already."""
        if reservation.signal_id in self._by_signal:
            raise ContractError(f"signal {reservation.signal_id} is reserved already: approve it once")
        value = reservation.value
        held = Held(reservation, value, _cash(reservation, value))
        self._by_signal[reservation.signal_id] = held
        self._count(reservation, reservation.quantity, held.value, held.cash)

    def release(self, signal_id: str) -> None:
        """Give back what is left; nothing happens for a signal that holds nothing."""
        held = self._by_signal.pop(signal_id, None)
        if held is not None:
            self._count(held.reservation, -held.reservation.quantity, -held.value, -held.cash)

    def adopt(self, order: Order, left: Decimal, price: Decimal) -> None:
        """Reserve what an order of an earlier run may still fill; `price` where the order names none.

        Protection counts for nothing here, as in `on_report`; an order that is reserved already stays as it is.
        """
        key = order.signal_id or order.client_order_id
        if order.purpose in ("STOP", "TARGET") or key in self._by_signal or left <= 0:
            return
        self.reserve(
            Reservation(
                signal_id=key,
                trading_pair=order.trading_pair,
                side=order.side,
                quantity=left,
                price=order.limit_price or order.trigger_price or price,
                fee_rate=self.fee_rate,
            )
        )

    def on_report(self, report: ExecutionReport) -> None:
        """Follow the order: its fills move from reservation to position, its end releases the rest.

        Protective orders carry their entry's signal, on the other side: they change nothing here.
        """
        key = report.signal_id or report.client_order_id
        held = self._by_signal.get(key)
        if held is None:
            if not report.signal_id:
                self._external(report)
            return
        if report.side != held.reservation.side:
            return
        left = ZERO if report.order_status in TERMINAL else report.quantity_ordered - report.quantity_filled
        if left <= ZERO:
            self.release(key)
            if not report.signal_id:
                self._end(key)
        elif left < held.reservation.quantity:
            self.release(key)
            self.reserve(msgspec.structs.replace(held.reservation, quantity=left))

    def buying(self, pair: str | None = None) -> Decimal:
        """Value of all reserved buys, of one pair or of all."""
        return self._value if pair is None else self._buying.get(pair, ZERO)

    def selling(self, pair: str) -> Decimal:
        """Quantity of all reserved sells of the pair, in base units."""
        return self._selling.get(pair, ZERO)

    def cash(self) -> Decimal:
        """What all reserved buys will take from the account, fees included."""
        return self._cash

    def pairs(self) -> Iterable[str]:
        """Pairs with reserved buys."""
        return [pair for pair, value in self._buying.items() if value]

    def _external(self, report: ExecutionReport) -> None:
        """An order that is not ours takes its share of cash and position just the same."""
        key, left = report.client_order_id, report.quantity_ordered - report.quantity_filled
        price = report.limit_price or report.stop_price or report.average_fill_price
        if report.order_status in TERMINAL:
            self._end(key)
        elif key not in self._ended and left > 0 and price is not None:
            self.reserve(
                Reservation(
                    signal_id=key,
                    trading_pair=report.trading_pair,
                    side=report.side,
                    quantity=left,
                    price=price,
                    fee_rate=self.fee_rate,
                )
            )

    def _end(self, key: str) -> None:
        self._ended[key] = None
        if len(self._ended) > ENDED_EXTERNALS:
            del self._ended[next(iter(self._ended))]

    def _count(self, reservation: Reservation, quantity: Decimal, value: Decimal, cash: Decimal) -> None:
        pair = reservation.trading_pair
        if reservation.side == "BUY":
            self._buying[pair] += value
            self._value += value
            self._cash += cash
        else:
            self._selling[pair] += quantity
