"""Money on the venue: balances, what open orders hold of them, ledger entries, and fees by 30-day volume.

Every amount that leaves one place arrives in another: clients, the outside market and the fees together always
hold what was deposited. Costs are rounded down to the pair's cost unit, so the parts of an order never cost
more than the whole; fees are rounded half up (a real fill: 7.105741 at 0.26 % paid 0.018475) and never take
more than the order's purse, so no balance goes below zero.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from gal_friday_core.errors import ContractError
from gal_friday_core.money import EXACT, ZERO, product
from gal_friday_core.times import DAY_NS
from gal_friday_core.venue.limits import Tier
from gal_friday_core.venue.listings import Listing, fee_percent
from gal_friday_core.venue.orders import Execution, VenueOrder
from gal_friday_core.venue.requests import Side
from gal_friday_core.venue.updates import BalanceUpdate

VOLUME_WINDOW_NS = 30 * DAY_NS
PERCENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one fill moves for one side. `fee` is in `fee_asset`; `fee_from_purse` is the part that the hold pays."""

    cost: Decimal
    fee: Decimal
    fee_asset: str
    fee_from_purse: Decimal


@dataclass(slots=True)
class Account:
    """One client. `held` is the sum of its open orders' purses by asset, `orders` all it ever placed."""

    name: str
    tier: Tier
    balances: dict[str, Decimal]
    held: dict[str, Decimal] = field(default_factory=dict)
    ledger: list[BalanceUpdate] = field(default_factory=list)
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    traded: deque[tuple[int, Decimal]] = field(default_factory=deque)
    volume: Decimal = ZERO

    def available(self, asset: str) -> Decimal:
        """What no open order holds."""
        return self.balances.get(asset, ZERO) - self.held.get(asset, ZERO)

    def hold(self, asset: str, change: Decimal) -> None:
        """Reserve more, or with a negative change less. Raises ContractError where more is held than there is."""
        held = self.held.get(asset, ZERO) + change
        if held < 0 or (change > 0 and held > self.balances.get(asset, ZERO)):
            raise ContractError(f"{self.name}: cannot hold {held} {asset}")
        self.held[asset] = held

    def remember_volume(self, usd: Decimal, now_ns: int) -> None:
        self.traded.append((now_ns, usd))
        self.volume += usd

    def volume_30d(self, now_ns: int) -> Decimal:
        """USD traded in the last 30 days, which decides the fee (§8)."""
        while self.traded and self.traded[0][0] <= now_ns - VOLUME_WINDOW_NS:
            self.volume -= self.traded.popleft()[1]
        return self.volume

    def fee_rates(self, listing: Listing, now_ns: int) -> tuple[Decimal, Decimal]:
        """(taker, maker) as fractions."""
        volume = self.volume_30d(now_ns)
        return (
            product(fee_percent(listing.taker_fees, volume), PERCENT),
            product(fee_percent(listing.maker_fees, volume), PERCENT),
        )


def open_account(name: str, tier: Tier, funds: Mapping[str, Decimal]) -> Account:
    """An account with its deposits. Raises ContractError for a negative one."""
    if any(amount < 0 for amount in funds.values()):
        raise ContractError(f"{name}: an account cannot open with a negative balance")
    return Account(name, tier, dict(funds))


def purse_asset(listing: Listing, side: Side) -> str:
    """What an order of that side pays with."""
    return listing.quote.name if side == "buy" else listing.base.name


def fee_asset(listing: Listing, order: VenueOrder) -> str:
    """Fees are paid in quote unless asked for in base (§3.2 `fcib`, `fciq`)."""
    return listing.base.name if order.asked.fee_preference == "base" else listing.quote.name


def needed(listing: Listing, order: VenueOrder, quantity: Decimal, price: Decimal | None) -> Decimal:
    """The purse that fills of `quantity` at `price` or better can ask for, fee included."""
    if order.asked.side == "buy":
        if price is None:
            raise ContractError(f"order {order.order_id}: a buy needs a price to reserve money by")
        spend, unit = product(quantity, price), listing.cost_unit
    else:
        spend, unit = quantity, listing.lot
    if fee_asset(listing, order) == purse_asset(listing, order.asked.side):
        spend = product(spend, 1 + order.taker_rate)
    return spend.quantize(unit, rounding=ROUND_CEILING, context=EXACT)


def cost_of(listing: Listing, quantity: Decimal, price: Decimal) -> Decimal:
    """What both sides of a trade book in quote currency."""
    return product(quantity, price).quantize(listing.cost_unit, rounding=ROUND_FLOOR, context=EXACT)


def settle(
    listing: Listing, order: VenueOrder, fill: tuple[Decimal, Decimal], rate: Decimal, most: Decimal
) -> Settlement:
    """The amounts of a fill (quantity, price); a fee out of the purse takes `most` at most."""
    quantity, price = fill
    cost = cost_of(listing, quantity, price)
    in_base = fee_asset(listing, order) == listing.base.name
    value, unit = (quantity, listing.lot) if in_base else (product(quantity, price), listing.cost_unit)
    fee = product(value, rate).quantize(unit, rounding=ROUND_HALF_UP, context=EXACT)
    asset = fee_asset(listing, order)
    if asset != purse_asset(listing, order.asked.side):
        received = quantity if order.asked.side == "buy" else cost
        return Settlement(cost, min(fee, received), asset, ZERO)
    fee = max(min(fee, most), ZERO)
    return Settlement(cost, fee, asset, fee)
