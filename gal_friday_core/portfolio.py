"""Cash, positions, profit and drawdown, exact to the last booked digit.

`Portfolio.apply` books each fill once, `credit` each flow of money once; `mark` tells it prices; `state`
gives a frozen value. The invariant, which holds after every call and is tested as such:

    cash + sum(cost of positions) == deposits + realised profit - fees

A fee taken in the base asset is what is not received: a buy of 1 with a fee of 0.001 in base leaves 0.999.
It is counted as a fee at the price of the fill. Deposits and withdrawals are cash flows, not profit: they
move the peaks in proportion, so that no drawdown changes by them. Coins that came without a trade are
taken in at the mark: what somebody else paid for them is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.account import Flow
from gal_friday_core.drawdown import Peaks
from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, ratio, round_cash, value_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.positions import Position
from gal_friday_core.times import DAY_NS, HOUR_NS, to_iso

__all__ = [
    "Applied",
    "Credited",
    "Duplicate",
    "Mark",
    "Portfolio",
    "PortfolioState",
    "Position",
    "PositionState",
]

_FLAT = Position()
_SHOWN = Decimal("0.0001")
KEPT_NS = 2 * HOUR_NS
"""Of the names of fills, behind what a comparison found booked: more than clocks differ, or an exchange lists late."""


class PositionState(msgspec.Struct, frozen=True, gc=False):
    """One open position as the risk check sees it; money in quote currency."""

    base_asset: str
    quote_asset: str
    quantity: Decimal
    cost: Decimal
    mark_price: Decimal
    market_value: Decimal
    unrealized_pnl: Decimal
    opened_at: int | None

    @property
    def average_entry_price(self) -> Decimal:
        return ratio(self.cost, self.quantity)


class PortfolioState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Applied(msgspec.Struct, frozen=True, gc=False):
    """A fill was booked: the position of its pair after it, the cash it moved, the profit it closed, the fee it paid."""

    execution_id: str
    pair: str
    position: Position
    cash_change: Decimal
    realized: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Credited:
    """A flow was booked: what it is worth in quote currency. `pair` is None for quote currency itself."""

    flow_id: str
    pair: str | None
    value: Decimal


@dataclass(frozen=True, slots=True)
class Duplicate:
    """This fill or flow was booked before; nothing changed."""

    key: str


class Mark(msgspec.Struct, gc=False):
    """The price that a pair is valued at, and when it was that."""

    price: Decimal
    ts_ns: int


@dataclass(slots=True)
class Portfolio:
    """All pairs of one quote currency. Times given to it never run back; an older one counts as now.

    Positions are valued at the last mark, before the first one at their fill price, by which a fill that opens one marks it. `revision` counts the
    fills and flows booked. `executions` are the fills booked, each with the time of these books then; those of before
    `settled_ns` are forgotten, and nothing as old is booked any more.
    """

    quote: str
    cash: Decimal
    started_ns: int
    positions: dict[str, Position] = field(default_factory=dict, init=False)
    marks: dict[str, Mark] = field(default_factory=dict, init=False)
    deposits: Decimal = field(default=ZERO, init=False)
    peaks: Peaks = field(init=False)
    now_ns: int = field(default=0, init=False)
    executions: dict[str, int] = field(default_factory=dict, init=False)
    settled_ns: int = field(default=0, init=False)
    flows: set[str] = field(default_factory=set, init=False)
    revision: int = field(default=0, init=False)
    equity: Decimal = field(default=ZERO, init=False)
    _state: PortfolioState | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        self.cash = self.deposits = self.equity = round_cash(self.cash)
        self.now_ns = self.started_ns
        self.peaks = Peaks(self.started_ns, self.cash)

    def apply(self, report: ExecutionReport) -> Applied | Duplicate | None:
        """Book the fill that the report carries, once; None where it carries none.

        A fee in an asset that is neither base nor quote takes nothing from either. Raises ContractError where
        the fill is incomplete or priced in another currency.
        """
        key, pair, ts_ns = report.execution_id, report.trading_pair, report.timestamp_exchange
        if key is None:
            return None
        if key in self.executions or ts_ns < self.settled_ns:
            return Duplicate(key)
        quantity, value, fee, price = _taken_in(report, self.quote)
        before = self.positions.get(pair, _FLAT)
        self.positions[pair] = after = before.after(quantity, value, fee, ts_ns)
        cash_change = -value - fee
        self.revision += 1
        self.cash += cash_change
        if not before.quantity:
            # The last mark may be as old as the last trade: the fill itself is the newest price.
            known = self.marks.get(pair)
            if known is None or ts_ns >= known.ts_ns:
                self.marks[pair] = Mark(price, ts_ns)
        self._observe(ts_ns)
        self.executions[key] = self.now_ns
        return Applied(key, pair, after, cash_change, after.realized - before.realized, fee)

    def is_booked(self, execution_id: str, ts_ns: int) -> bool:
        """Whether a fill of that time is in these books."""
        return execution_id in self.executions or ts_ns < self.settled_ns

    def settle(self, known_ns: int) -> None:
        """Forget the names of fills older than KEPT_NS: all that happened until `known_ns` was found booked."""
        before_ns = min(known_ns, self.now_ns) - KEPT_NS
        if before_ns > self.settled_ns:
            self.settled_ns = before_ns
            self.executions = {key: at for key, at in self.executions.items() if at >= before_ns}

    def mark(self, pair: str, price: Decimal, ts_ns: int) -> None:
        """Value the pair at this price from now on; a mark older than the present one is ignored."""
        known = self.marks.get(pair)
        if known is not None and ts_ns < known.ts_ns:
            return
        self.marks[pair] = Mark(price, ts_ns)
        self._observe(ts_ns)

    def carry(self, marks: Mapping[str, Mark], peaks: Peaks, now_ns: int, equity: Decimal) -> None:
        """Go on from marks that were taken elsewhere up to `now_ns`, and valued by the same arithmetic."""
        self.marks |= marks
        self.peaks = peaks
        self.now_ns = max(self.now_ns, now_ns)
        self.equity, self._state = equity, None

    def credit(self, flow: Flow, price: Decimal | None = None) -> Credited | Duplicate:
        """Book money that came or went without a trade, once.

        Quote currency moves cash; any other asset moves the position of its pair, at its mark or else at
        `price`. Raises ContractError where a coin has neither.
        """
        if flow.flow_id in self.flows:
            return Duplicate(flow.flow_id)
        if flow.asset == self.quote:
            credited = Credited(flow.flow_id, None, round_cash(flow.amount))
            self.flow(flow.amount, flow.timestamp)
        else:
            pair = f"{flow.asset}/{self.quote}"
            credited = Credited(flow.flow_id, pair, self._in_kind(pair, flow.amount, price, flow.timestamp))
        self.flows.add(flow.flow_id)
        self.revision += 1
        return credited

    def flow(self, amount: Decimal, ts_ns: int) -> None:
        """A deposit, or a withdrawal where negative: it changes equity but no drawdown."""
        amount = round_cash(amount)
        self._observe(ts_ns)
        self.cash += amount
        self._deposited(amount)

    def _in_kind(self, pair: str, quantity: Decimal, price: Decimal | None, ts_ns: int) -> Decimal:
        """Coins came or went: profit on what went is realised at the mark, and nothing is earned by what came."""
        if price is not None:
            self.mark(pair, price, ts_ns)
        if pair not in self.marks:
            raise ContractError(f"{quantity} of {pair} came without a trade, and no price of it is known yet")
        self._observe(ts_ns)
        before = self.equity
        value = value_of(quantity, self.marks[pair].price)
        self.positions[pair] = self.positions.get(pair, _FLAT).after(quantity, value, ZERO, ts_ns)
        self.deposits += value
        self.equity, self._state = self._valued(), None
        self.peaks.scale(before, self.equity)
        return value

    def _deposited(self, amount: Decimal) -> None:
        before = self.equity
        self.deposits += amount
        self.equity, self._state = before + amount, None
        self.peaks.scale(before, self.equity)

    @property
    def total_drawdown(self) -> Decimal:
        """Fraction lost since the highest equity ever seen; no shorter period has lost more."""
        return self.peaks.total(self.equity)

    def balances(self) -> dict[str, Decimal]:
        """What of each asset the account must hold by these books."""
        return {self.quote: self.cash} | {
            pair.partition("/")[0]: position.quantity for pair, position in self.positions.items()
        }

    def revalue(self) -> None:
        """Take in marks, positions and cash that were set from outside, as a restore does."""
        self.equity, self._state = self._valued(), None

    def state(self, now_ns: int) -> PortfolioState:
        """The portfolio as of now; changes nothing.

        Until something is booked or marked, or the day turns, only the time of the last one told is another.
        """
        now_ns = max(now_ns, self.now_ns)
        told = self._state
        if told is None or now_ns // DAY_NS != told.timestamp_ns // DAY_NS:
            told = self._state = self._told(now_ns)
        return told if told.timestamp_ns == now_ns else msgspec.structs.replace(told, timestamp_ns=now_ns)

    def _told(self, now_ns: int) -> PortfolioState:
        equity, positions = self.equity, dict[str, PositionState]()
        exposure = realized = unrealized = fees = ZERO
        for pair, position in self.positions.items():
            realized += position.realized
            fees += position.fees
            if position.quantity:
                state = positions[pair] = self._position(pair)
                exposure += abs(state.market_value)
                unrealized += state.unrealized_pnl
        daily, weekly, total = self.peaks.lost(now_ns, equity)
        return PortfolioState(
            timestamp_ns=now_ns,
            quote_asset=self.quote,
            total_equity=equity,
            cash=self.cash,
            positions=positions,
            total_exposure=ratio(exposure, equity) if equity > 0 else ZERO,
            daily_drawdown=daily,
            weekly_drawdown=weekly,
            total_drawdown=total,
            realized_pnl=realized,
            unrealized_pnl=unrealized,
            fees=fees,
        )

    def _observe(self, ts_ns: int) -> None:
        before, equity = self.equity, self._valued()
        self._state = None
        self.now_ns = max(self.now_ns, ts_ns)
        if equity != before:  # else nothing is held: a period may turn, but is carried in later
            self.equity = equity
            self.peaks.observe(self.now_ns, before, equity)

    def _valued(self) -> Decimal:
        total, marks = self.cash, self.marks
        for pair, position in self.positions.items():
            if position.quantity:
                total += value_of(position.quantity, marks[pair].price)
        return total

    def worth(self, pair: str) -> Decimal:
        """What is held of the pair, at its mark."""
        quantity = self.positions[pair].quantity
        return value_of(quantity, self.marks[pair].price) if quantity else ZERO

    def _position(self, pair: str) -> PositionState:
        position, price = self.positions[pair], self.marks[pair].price
        base, _, quote = pair.partition("/")
        quantity, cost = position.quantity, position.cost
        value = value_of(quantity, price)
        return PositionState(base, quote, quantity, cost, price, value, value - cost, position.opened_at)


def _taken_in(report: ExecutionReport, quote: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """What the report's fill takes in: signed quantity and its signed value, the fee in quote currency, the price.

    A fee in base is netted into the quantity.
    """
    quantity, price, fee = report.last_quantity, report.last_price, report.commission
    if quantity is None or price is None or fee is None or quantity <= ZERO or price <= ZERO:
        raise ContractError(
            f"fill {report.execution_id} of {report.client_order_id}: last_quantity, last_price and "
            "commission must all be given, the first two positive"
        )
    base, _, priced_in = report.trading_pair.partition("/")
    if priced_in != quote:
        raise ContractError(
            f"fill {report.execution_id} of {report.trading_pair}: this portfolio counts in {quote}"
        )
    asset, cost, signed = report.commission_asset, report.last_cost, quantity
    if report.side == "SELL":
        signed, cost = -quantity, None if cost is None else -cost
    value = value_of(signed, price) if cost is None else round_cash(cost)
    if asset == quote:
        return signed, value, round_cash(fee), price
    if asset != base or not fee:  # fee credits: reconciliation sees to it where that asset is traded, too
        return signed, value, round_cash(ZERO), price
    if fee >= quantity:
        raise ContractError(
            f"fill {report.execution_id} of {report.trading_pair}: a fee of {fee} {base} on {quantity}"
        )
    charged = value_of(fee, price)
    return signed - fee, value - charged, charged, price


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
