"""What approved signals will still take: counted from the risk check until their order's fate is known."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, fee_of, value_of
from gal_friday_core.orders import is_terminal
from gal_friday_core.payloads import ExecutionReport, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
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
        return self.value + fee_of(self.value, self.fee_rate) if self.side == "BUY" else ZERO


class Reservations:
    """Open, in-flight and unknown orders by signal. Buys and sells are never netted.

    Netting pending sells against buys breaks limits whenever the buys fill first.
    """

    def __init__(self, open_orders: Iterable[Reservation] = ()) -> None:
        self._by_signal: dict[str, Reservation] = {}
        for reservation in open_orders:
            self.reserve(reservation)

    def __contains__(self, signal_id: str) -> bool:
        return signal_id in self._by_signal

    def __len__(self) -> int:
        return len(self._by_signal)

    def reserve(self, reservation: Reservation) -> None:
        """Raises ContractError where the signal holds a reservation already."""
        if reservation.signal_id in self._by_signal:
            raise ContractError(f"signal {reservation.signal_id} is reserved already: approve it once")
        self._by_signal[reservation.signal_id] = reservation

    def release(self, signal_id: str) -> None:
        """Give back what is left; nothing happens for a signal that holds nothing."""
        self._by_signal.pop(signal_id, None)

    def on_report(self, report: ExecutionReport) -> None:
        """Follow the order: its fills move from reservation to position, its end releases the rest.

        Protective orders carry their entry's signal, on the other side: they change nothing here.
        """
        held = self._by_signal.get(report.signal_id)
        if held is None or report.side != held.side:
            return
        left = report.quantity_ordered - report.quantity_filled
        if is_terminal(report.order_status) or left <= 0:
            self.release(report.signal_id)
        else:
            self._by_signal[report.signal_id] = replace(held, quantity=min(held.quantity, left))

    def buying(self, pair: str | None = None) -> Decimal:
        """Value of all reserved buys, of one pair or of all."""
        return sum((held.value for held in self._of("BUY", pair)), ZERO)

    def selling(self, pair: str) -> Decimal:
        """Quantity of all reserved sells of the pair, in base units."""
        return sum((held.quantity for held in self._of("SELL", pair)), ZERO)

    def cash(self) -> Decimal:
        """What all reserved buys will take from the account, fees included."""
        return sum((held.cash for held in self._by_signal.values()), ZERO)

    def _of(self, side: Side, pair: str | None) -> list[Reservation]:
        return [
            held
            for held in self._by_signal.values()
            if held.side == side and pair in (None, held.trading_pair)
        ]
