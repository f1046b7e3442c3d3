"""What trading cost: fees, and what slippage took, exactly as the fills were made; and how much more the profit bears."""

from decimal import Decimal

import msgspec

from gal_friday_core.config import CostsConfig
from gal_friday_core.money import EXACT, ZERO, product, ratio, round_cash, value_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.tearsheet.record import RunRecord


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Money in quote currency, as text. `gross_profit` is what the same fills had earned without fees and slippage;
    `net_profit` is `gross_profit` less both. `bearable` times the costs that were paid would leave nothing; None
    where there was no gross profit, or no cost. `per_trade_bp`: fees and slippage of a round trip, in hundredths of a percent of the
    value bought.
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


def costs(run: RunRecord) -> Costs:
    """Of all fills; a position that is still open counts at its last mark."""
    fees = sum((fill.commission or ZERO for fill in run.fills), ZERO)
    slipped = sum((slippage_of(fill, run.costs) for fill in run.fills), ZERO)
    traded = sum((_value(fill) for fill in run.fills), ZERO)
    bought = sum((_value(fill) for fill in run.fills if fill.side == "BUY"), ZERO)
    net = run.curve.final - run.curve.initial
    paid, gross = fees + slipped, net + fees + slipped
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
    )


def slippage_of(fill: ExecutionReport, settings: CostsConfig) -> Decimal:
    """What one fill gave up against the price that called for it: a market order's open, a stop's trigger or the open
    beyond it. Limit orders and targets fill at their own price.

    >>> from gal_friday_core.config import CostsConfig
    >>> settings = CostsConfig(slippage=Decimal("0.001"))
    >>> slippage_of(ExecutionReport(
    ...     signal_id="s", client_order_id="o", trading_pair="BTC/USD", exchange="x", order_status="FILLED",
    ...     order_type="MARKET", side="BUY", quantity_ordered=Decimal(2), quantity_filled=Decimal(2),
    ...     timestamp_exchange=0, last_quantity=Decimal(2), last_price=Decimal("100.1")), settings)
    Decimal('0.20000000')
    """
    if fill.order_type not in {"MARKET", "STOP_LOSS"}:
        return ZERO
    price, quantity = fill.last_price or ZERO, fill.last_quantity or ZERO
    sign = 1 if fill.side == "BUY" else -1
    asked = EXACT.divide(price, 1 + sign * settings.slippage)
    return round_cash(product(quantity, abs(price - asked)))


def _value(fill: ExecutionReport) -> Decimal:
    return value_of(fill.last_quantity or ZERO, fill.last_price or ZERO)


def _basis_points(part: Decimal, whole: Decimal) -> float | None:
    return float(ratio(part, whole)) * 10_000 if whole > 0 else None
