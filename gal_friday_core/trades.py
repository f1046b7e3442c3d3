"""Round trips out of fills: from flat to flat, one trade."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, product, ratio, value_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.times import to_iso

_REASONS = {"STOP_LOSS": "STOP", "TAKE_PROFIT": "TARGET", "MARKET": "TIME", "LIMIT": "LIMIT"}
"""Why a trade ended, by the order that ended it; the time exit is the one market sell a strategy proposes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One closed round trip. Prices are averages over its fills; `net` is profit after all fees, in quote.

    `net_return` is of the money spent, entry fees included: what the label of the deciding bar says.
    """

    trading_pair: str
    signal_id: str
    entry_ns: int
    exit_ns: int
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    fees: Decimal
    net: Decimal
    net_return: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """JSON form: ISO times, decimals as strings."""
        return {
            "trading_pair": self.trading_pair,
            "signal_id": self.signal_id,
            "entry_time": to_iso(self.entry_ns),
            "exit_time": to_iso(self.exit_ns),
            "quantity": str(self.quantity),
            "entry_price": str(self.entry_price),
            "exit_price": str(self.exit_price),
            "fees": str(self.fees),
            "net": str(self.net),
            "net_return": self.net_return,
            "reason": self.reason,
        }


@dataclass(slots=True)
class _Leg:
    """One side of a trip: exact sums over its fills."""

    quantity: Decimal = ZERO
    weighted: Decimal = ZERO
    value: Decimal = ZERO
    fees: Decimal = ZERO

    def add(self, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        self.quantity += quantity
        self.weighted += product(quantity, price)
        self.value += value_of(quantity, price)
        self.fees += fee


@dataclass(slots=True)
class _Trip:
    signal_id: str
    entry_ns: int
    bought: _Leg = field(default_factory=_Leg)
    sold: _Leg = field(default_factory=_Leg)

    def closed(self, report: ExecutionReport) -> Trade:
        fees = self.bought.fees + self.sold.fees
        net = self.sold.value - self.bought.value - fees
        return Trade(
            trading_pair=report.trading_pair,
            signal_id=self.signal_id,
            entry_ns=self.entry_ns,
            exit_ns=report.timestamp_exchange,
            quantity=self.bought.quantity,
            entry_price=ratio(self.bought.weighted, self.bought.quantity),
            exit_price=ratio(self.sold.weighted, self.sold.quantity),
            fees=fees,
            net=net,
            net_return=float(ratio(net, self.bought.value + self.bought.fees)),
            reason=_REASONS[report.order_type],
        )


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Closed trades in order of their end, and since when which pair is still held."""

    trades: Sequence[Trade]
    open_since: dict[str, int]


def fills_of(reports: Iterable[ExecutionReport]) -> list[ExecutionReport]:
    """The reports that carry a fill, each fill once."""
    unique = {report.execution_id: report for report in reports if report.execution_id is not None}
    return list(unique.values())


def round_trips(fills: Iterable[ExecutionReport]) -> RoundTrips:
    """Pair up the fills of long trades. Raises ContractError where more is sold than was bought."""
    trips: dict[str, _Trip] = {}
    trades = []
    for fill in fills:
        pair = fill.trading_pair
        trip = trips.setdefault(pair, _Trip(fill.signal_id, fill.timestamp_exchange))
        leg = trip.bought if fill.side == "BUY" else trip.sold
        leg.add(fill.last_quantity or ZERO, fill.last_price or ZERO, fill.commission or ZERO)
        if trip.sold.quantity > trip.bought.quantity:
            raise ContractError(f"{pair}: fill {fill.execution_id} sells more than was bought")
        if trip.sold.quantity == trip.bought.quantity:
            trades.append(trips.pop(pair).closed(fill))
    return RoundTrips(trades, {pair: trip.entry_ns for pair, trip in trips.items()})
