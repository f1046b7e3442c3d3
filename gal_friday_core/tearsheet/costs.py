"""What trading cost: fees, and what slippage took, exactly as the fills were made; and how much more the profit bears."""

from decimal import Decimal

import msgspec

from gal_friday_core.config import CostsConfig
from gal_friday_core.frictions import Notes
from gal_friday_core.money import EXACT, ZERO, fee_of, product, ratio, round_cash, value_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.tearsheet.record import RunRecord


class FeePart(msgspec.Struct, frozen=True, kw_only=True):
    """What was traded at one fee: as maker or taker, from which volume of 30 days on. Money in quote currency, as text."""

    maker: bool
    from_volume: str
    rate: str
    traded_value: str
    fees: str
    fills: int


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Money in quote currency, as text. `gross_profit` is what the same fills had earned without fees and slippage;
    `net_profit` is `gross_profit` less both. `bearable` times the costs that were paid would leave nothing; None
    where there was no gross profit, or no cost. `per_trade_bp`: fees and slippage of a round trip, in hundredths of a percent of the
    value bought.

    `maker_share` is that of the traded value; `fee_parts` add up to `fees`. `cut_fills` are those that the bar bore no more
    of, `unborne` the entries that it bore nothing of, `recorded_fills` those that met what was recorded and no bar.
    """

    gross_profit: str
    fees: str
    slippage: str
    net_profit: str
    traded_value: str
    fees_bp: float | None
    slippage_bp: float | None
    per_trade_bp: float | None
    bearable: float | None
    maker_share: float | None = None
    fee_parts: tuple[FeePart, ...] = ()
    cut_fills: int = 0
    unborne: int = 0
    recorded_fills: int = 0


def costs(run: RunRecord) -> Costs:
    """Of all fills; a position that is still open counts at its last mark."""
    fees = sum((fill.commission or ZERO for fill in run.fills), ZERO)
    slipped = sum((slippage_of(fill, run.costs, run.notes) for fill in run.fills), ZERO)
    traded = sum((_value(fill) for fill in run.fills), ZERO)
    bought = sum((_value(fill) for fill in run.fills if fill.side == "BUY"), ZERO)
    net = run.curve.final - run.curve.initial
    paid, gross = fees + slipped, net + fees + slipped
    parts = _fee_parts(run)
    made = sum((Decimal(part.traded_value) for part in parts if part.maker), ZERO)
    return Costs(
        gross_profit=str(gross),
        fees=str(fees),
        slippage=str(slipped),
        net_profit=str(net),
        traded_value=str(traded),
        fees_bp=_basis_points(fees, traded),
        slippage_bp=_basis_points(slipped, traded),
        per_trade_bp=_basis_points(paid, bought),
        bearable=float(ratio(gross, paid)) if paid > 0 and gross > 0 else None,
        maker_share=float(ratio(made, traded)) if traded > 0 else None,
        fee_parts=parts,
        cut_fills=sum(note.cut for note in run.notes.fills.values()),
        unborne=run.notes.unborne,
        recorded_fills=sum(note.recorded for note in run.notes.fills.values()),
    )


def slippage_of(fill: ExecutionReport, settings: CostsConfig, notes: Notes) -> Decimal:
    """What one fill gave up against the price that called for it: a market order's open, a stop's trigger or the open
    beyond it. Limit orders and targets fill at their own price.

    >>> from gal_friday_core.config import CostsConfig
    >>> settings = CostsConfig(slippage=Decimal("0.001"))
    >>> slippage_of(ExecutionReport(
    ...     signal_id="s", client_order_id="o", trading_pair="BTC/USD", exchange="x", order_status="FILLED",
    ...     order_type="MARKET", side="BUY", quantity_ordered=Decimal(2), quantity_filled=Decimal(2),
    ...     timestamp_exchange=0, last_quantity=Decimal(2), last_price=Decimal("100.1")), settings, Notes())
    Decimal('0.20000000')
    """
    price, quantity = fill.last_price or ZERO, fill.last_quantity or ZERO
    return round_cash(product(quantity, abs(price - asked_price(fill, settings, notes))))


def asked_price(fill: ExecutionReport, settings: CostsConfig, notes: Notes) -> Decimal:
    """The price that called for a fill; where no note says it, what the constant slippage was taken off."""
    note, price = notes.fills.get(fill.execution_id or ""), fill.last_price or ZERO
    if note is not None:
        return note.asked
    if fill.order_type not in {"MARKET", "STOP_LOSS"}:
        return price
    return EXACT.divide(price, 1 + (1 if fill.side == "BUY" else -1) * settings.slippage)


def _fee_parts(run: RunRecord) -> tuple[FeePart, ...]:
    """By maker and taker and tier, the first tier first."""
    found: dict[tuple[Decimal, bool, Decimal], list[ExecutionReport]] = {}
    for fill in run.fills:
        found.setdefault(_paid(fill, run), []).append(fill)
    return tuple(
        FeePart(
            maker=maker,
            from_volume=str(least),
            rate=str(rate),
            traded_value=str(sum((_value(fill) for fill in fills), ZERO)),
            fees=str(sum((fill.commission or ZERO for fill in fills), ZERO)),
            fills=len(fills),
        )
        for (least, maker, rate), fills in sorted(found.items())
    )


def _paid(fill: ExecutionReport, run: RunRecord) -> tuple[Decimal, bool, Decimal]:
    """From which volume on, whether as maker, and the part of the value. Where no note says it, a limit order that paid
    the maker's fee rested.
    """
    note, settings = run.notes.fills.get(fill.execution_id or ""), run.costs
    if note is not None:
        return note.tier, note.maker, note.rate
    maker = fill.order_type == "LIMIT" and fill.commission == fee_of(_value(fill), settings.maker_fee)
    return ZERO, maker, settings.maker_fee if maker else settings.taker_fee


def _value(fill: ExecutionReport) -> Decimal:
    return value_of(fill.last_quantity or ZERO, fill.last_price or ZERO)


def _basis_points(part: Decimal, whole: Decimal) -> float | None:
    return float(ratio(part, whole)) * 10_000 if whole > 0 else None
