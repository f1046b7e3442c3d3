"""Cash, positions, profit and drawdown, exact to the last booked digit.

`Portfolio.apply` books each fill once; `mark` tells it prices; `state` gives a frozen value. The
invariant, which holds after every call and is tested as such:

    cash + sum(cost of positions) == deposits + realised profit - fees

Drawdown is measured from the highest equity of the running day (turning at 00:00 UTC), of the week
(Monday) and of all time; a period begins with the equity carried into it. Deposits and withdrawals are
cash flows, not profit: they move the peaks in proportion, so that no drawdown changes by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, ratio, round_cash, share_of, value_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.times import DAY_NS, to_iso

_WEEK_NS = 7 * DAY_NS
_TO_MONDAY_NS = 3 * DAY_NS  # 1970-01-01 was a Thursday
_ALL = Decimal(1)
_SHOWN = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of one pair: signed quantity in base units, `cost` what its entry was worth in quote.

    `realized` is profit before fees on what was closed, `fees` all that was paid on the pair.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    opened_at: int | None = None

    @property
    def average_entry_price(self) -> Decimal:
        """Zero where nothing is held."""
        return ratio(self.cost, self.quantity) if self.quantity else ZERO

    def after(self, quantity: Decimal, price: Decimal, fee: Decimal, ts_ns: int) -> "Position":
        """The position once a fill of signed `quantity` is booked, at average cost.

        A fill against the position closes first and opens the other way with the rest: a fill is a
        fact, and an oversold position must be seen, not refused.
        """
        value = value_of(quantity, price)
        closing = _closing(self.quantity, quantity)
        closed_value = share_of(value, closing, quantity) if closing else ZERO
        closed_cost = share_of(self.cost, -closing, self.quantity) if closing else ZERO
        held = self.quantity + quantity
        same_side = self.quantity * held > 0
        return Position(
            quantity=held,
            cost=self.cost - closed_cost + value - closed_value,
            realized=self.realized - closed_value - closed_cost,
            fees=self.fees + fee,
            opened_at=None if not held else self.opened_at if same_side else ts_ns,
        )


def _closing(held: Decimal, traded: Decimal) -> Decimal:
    """The signed part of `traded` that closes what is held."""
    if held * traded >= 0:
        return ZERO
    return traded if abs(traded) <= abs(held) else -held


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest equity of the running period; `length_ns` None means of all time."""

    length_ns: int | None
    period: int
    equity: Decimal

    def seen(self, ts_ns: int, before: Decimal, now: Decimal) -> "Peak":
        """The peak after equity went from `before` to `now` at `ts_ns`; time never runs back here."""
        period = self._period(ts_ns)
        if period <= self.period and now <= self.equity:
            return self
        carried = before if period > self.period else self.equity
        return Peak(self.length_ns, max(period, self.period), max(carried, now))

    def drawdown(self, equity: Decimal) -> Decimal:
        """Fraction lost since the peak: 0 at it, 1 or more where nothing is left."""
        if self.equity <= equity:
            return ZERO
        return ratio(self.equity - equity, self.equity) if self.equity > 0 else _ALL

    def _period(self, ts_ns: int) -> int:
        if self.length_ns is None:
            return 0
        return (ts_ns + (_TO_MONDAY_NS if self.length_ns == _WEEK_NS else 0)) // self.length_ns


@dataclass(frozen=True, slots=True)
class PositionState:
    """One open position as the risk check sees it; money in quote currency."""

    base_asset: str
    quote_asset: str
    quantity: Decimal
    average_entry_price: Decimal
    mark_price: Decimal
    market_value: Decimal
    unrealized_pnl: Decimal
    opened_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioState:
    """The portfolio at one instant. Exposure and drawdowns are fractions of equity and of the peak."""

    timestamp_ns: int
    quote_asset: str
    total_equity: Decimal
    cash: Decimal
    positions: Mapping[str, PositionState]
    total_exposure: Decimal
    daily_drawdown: Decimal
    weekly_drawdown: Decimal
    total_drawdown: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal

    def held(self, pair: str) -> Decimal:
        """Signed quantity of the pair in base units."""
        position = self.positions.get(pair)
        return position.quantity if position else ZERO

    def as_dict(self, pair: str | None = None, *, reserved: Decimal = ZERO) -> dict[str, Any]:
        """The form of the specification (000 §4.1): strings, percentages in `_pct`, ISO time.

        `reserved` is the cash that open and in-flight buys will take; `pair` keeps that position only.
        """
        return {
            "timestamp": to_iso(self.timestamp_ns),
            "total_equity": str(self.total_equity),
            "available_balance": str(self.cash - reserved),
            "positions": {
                name: _position_dict(position)
                for name, position in self.positions.items()
                if pair in (None, name)
            },
            "total_exposure_pct": _percent(self.total_exposure),
            "daily_drawdown_pct": _percent(self.daily_drawdown),
            "weekly_drawdown_pct": _percent(self.weekly_drawdown),
            "total_drawdown_pct": _percent(self.total_drawdown),
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """A fill was booked: the position of its pair after it, the cash it moved, and the profit it closed."""

    execution_id: str
    pair: str
    position: Position
    cash_change: Decimal
    realized: Decimal


@dataclass(frozen=True, slots=True)
class Duplicate:
    """This fill was booked before; nothing changed."""

    execution_id: str


@dataclass(slots=True)
class _Mark:
    price: Decimal
    ts_ns: int


@dataclass(slots=True)
class Portfolio:
    """All pairs of one quote currency. Times given to it never run back; an older one counts as now.

    Positions are valued at the last mark, before the first one at their fill price.
    """

    quote: str
    cash: Decimal
    started_ns: int
    positions: dict[str, Position] = field(default_factory=dict, init=False)
    deposits: Decimal = field(default=ZERO, init=False)
    _booked: set[str] = field(default_factory=set, init=False)
    _marks: dict[str, _Mark] = field(default_factory=dict, init=False)
    _equity: Decimal = field(default=ZERO, init=False)
    _now_ns: int = field(default=0, init=False)
    _peaks: dict[str, Peak] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.cash = self.deposits = self._equity = round_cash(self.cash)
        self._now_ns = self.started_ns
        for name, length in (("daily", DAY_NS), ("weekly", _WEEK_NS), ("total", None)):
            self._peaks[name] = Peak(length, 0, self.cash).seen(self.started_ns, self.cash, self.cash)

    def apply(self, report: ExecutionReport) -> Applied | Duplicate | None:
        """Book the fill that the report carries, once; None where it carries none.

        Raises ContractError where the fill is incomplete, or priced or charged in another currency.
        """
        if report.execution_id is None:
            return None
        if report.execution_id in self._booked:
            return Duplicate(report.execution_id)
        quantity, price, fee = self._fill(report)
        before = self.positions.get(report.trading_pair, Position())
        after = before.after(quantity, price, fee, report.timestamp_exchange)
        cash_change = -value_of(quantity, price) - fee
        self._booked.add(report.execution_id)
        self.positions[report.trading_pair] = after
        self.cash += cash_change
        if report.trading_pair not in self._marks:
            self._marks[report.trading_pair] = _Mark(price, report.timestamp_exchange)
        self._observe(report.timestamp_exchange)
        realized = after.realized - before.realized
        return Applied(report.execution_id, report.trading_pair, after, cash_change, realized)

    def mark(self, pair: str, price: Decimal, ts_ns: int) -> None:
        """Value the pair at this price from now on; a mark older than the present one is ignored."""
        known = self._marks.get(pair)
        if known is not None and ts_ns < known.ts_ns:
            return
        self._marks[pair] = _Mark(price, ts_ns)
        self._observe(ts_ns)

    def flow(self, amount: Decimal, ts_ns: int) -> None:
        """A deposit, or a withdrawal where negative: it changes equity but no drawdown."""
        amount = round_cash(amount)
        self._observe(ts_ns)
        before = self._equity
        self.cash += amount
        self.deposits += amount
        self._equity = before + amount
        for name, peak in self._peaks.items():
            scaled = ratio(peak.equity * self._equity, before) if before > 0 else self._equity
            self._peaks[name] = Peak(peak.length_ns, peak.period, scaled)

    @property
    def equity(self) -> Decimal:
        """Cash and positions at their marks."""
        return self._equity

    @property
    def total_drawdown(self) -> Decimal:
        """Fraction lost since the highest equity ever seen; no shorter period has lost more."""
        return self._peaks["total"].drawdown(self._equity)

    def state(self, now_ns: int) -> PortfolioState:
        """The portfolio as of now; changes nothing."""
        now_ns = max(now_ns, self._now_ns)
        equity = self.equity
        positions = {pair: self._position(pair) for pair in self.positions if self.positions[pair].quantity}
        drawdown = {
            name: peak.seen(now_ns, equity, equity).drawdown(equity) for name, peak in self._peaks.items()
        }
        exposure = sum((abs(position.market_value) for position in positions.values()), ZERO)
        return PortfolioState(
            timestamp_ns=now_ns,
            quote_asset=self.quote,
            total_equity=equity,
            cash=self.cash,
            positions=positions,
            total_exposure=ratio(exposure, equity) if equity > 0 else ZERO,
            daily_drawdown=drawdown["daily"],
            weekly_drawdown=drawdown["weekly"],
            total_drawdown=drawdown["total"],
            realized_pnl=sum((position.realized for position in self.positions.values()), ZERO),
            unrealized_pnl=sum((position.unrealized_pnl for position in positions.values()), ZERO),
            fees=sum((position.fees for position in self.positions.values()), ZERO),
        )

    def _fill(self, report: ExecutionReport) -> tuple[Decimal, Decimal, Decimal]:
        """Signed quantity, price and fee of the report's fill."""
        quantity, price, fee = report.last_quantity, report.last_price, report.commission
        if quantity is None or price is None or fee is None or quantity <= 0 or price <= 0:
            raise ContractError(
                f"fill {report.execution_id} of {report.client_order_id}: last_quantity, last_price and "
                "commission must all be given, the first two positive"
            )
        if report.trading_pair.partition("/")[2] != self.quote or report.commission_asset != self.quote:
            raise ContractError(
                f"fill {report.execution_id} of {report.trading_pair} with its fee in "
                f"{report.commission_asset}: this portfolio counts in {self.quote}"
            )
        return (quantity if report.side == "BUY" else -quantity), price, round_cash(fee)

    def _observe(self, ts_ns: int) -> None:
        before, equity = self._equity, self._valued()
        self._now_ns = max(self._now_ns, ts_ns)
        if equity == before:
            return  # the common bar, on which nothing is held: a period may turn, but is carried in later
        self._equity = equity
        for name, peak in self._peaks.items():
            self._peaks[name] = peak.seen(self._now_ns, before, equity)

    def _valued(self) -> Decimal:
        return self.cash + sum((self._value(pair) for pair in self.positions), ZERO)

    def _value(self, pair: str) -> Decimal:
        quantity = self.positions[pair].quantity
        return value_of(quantity, self._marks[pair].price) if quantity else ZERO

    def _position(self, pair: str) -> PositionState:
        position, value = self.positions[pair], self._value(pair)
        base, _, quote = pair.partition("/")
        return PositionState(
            base_asset=base,
            quote_asset=quote,
            quantity=position.quantity,
            average_entry_price=position.average_entry_price,
            mark_price=self._marks[pair].price,
            market_value=value,
            unrealized_pnl=value - position.cost,
            opened_at=position.opened_at,
        )


def _position_dict(position: PositionState) -> dict[str, str]:
    return {
        "base_asset": position.base_asset,
        "quote_asset": position.quote_asset,
        "quantity": str(position.quantity),
        "average_entry_price": str(position.average_entry_price),
        "current_market_value": str(position.market_value),
        "unrealized_pnl": str(position.unrealized_pnl),
    }


def _percent(fraction: Decimal) -> str:
    return str((fraction * 100).quantize(_SHOWN))
