"""What the venue lists: assets, pairs with their precisions and minimums, and fees by traded volume.

The same asset has several names on Kraken (KRAKEN_PROTOCOL §1); a `Listing` knows them all. `DEMO_LISTINGS`
carries the values of a real instrument snapshot, the fees those of a real AssetPairs answer (§8: never
hard-coded into a rule, only into this price list).
"""

from decimal import Decimal

from msgspec import Struct

from gal_friday_core.venue.requests import PairStatus

FeeSteps = tuple[tuple[int, Decimal], ...]
"""(30-day volume in USD from which it holds, fee in per cent), ascending."""


def _steps(*steps: tuple[int, str]) -> FeeSteps:
    return tuple((volume, Decimal(percent)) for volume, percent in steps)


TAKER_FEES = _steps(
    (0, "0.4"),
    (10_000, "0.35"),
    (50_000, "0.24"),
    (100_000, "0.22"),
    (250_000, "0.2"),
    (500_000, "0.18"),
    (1_000_000, "0.16"),
    (2_500_000, "0.14"),
    (5_000_000, "0.12"),
    (10_000_000, "0.1"),
)
MAKER_FEES = _steps(
    (0, "0.25"),
    (10_000, "0.2"),
    (50_000, "0.14"),
    (100_000, "0.12"),
    (250_000, "0.1"),
    (500_000, "0.08"),
    (1_000_000, "0.06"),
    (2_500_000, "0.04"),
    (5_000_000, "0.02"),
    (10_000_000, "0.0"),
)


class Asset(Struct, frozen=True, kw_only=True):
    """`name` in websocket v2, `rest_id` as REST balances have it, `altname` as REST accepts it."""

    name: str
    rest_id: str
    altname: str
    decimals: int
    display_decimals: int


class Listing(Struct, frozen=True, kw_only=True):
    """One pair. Money in the pair's own units; `start_price` is where a generated market begins."""

    base: Asset
    quote: Asset
    price_decimals: int
    quantity_decimals: int = 8
    cost_decimals: int = 5
    tick_size: Decimal
    quantity_min: Decimal
    cost_min: Decimal
    start_price: Decimal
    status: PairStatus = "online"
    taker_fees: FeeSteps = TAKER_FEES
    maker_fees: FeeSteps = MAKER_FEES

    @property
    def symbol(self) -> str:
        """The name in websocket v2, such as BTC/USD."""
        return f"{self.base.name}/{self.quote.name}"

    @property
    def wsname(self) -> str:
        """The name in websocket v1 and in AssetPairs, such as XBT/USD."""
        return f"{self.base.altname}/{self.quote.altname}"

    @property
    def altname(self) -> str:
        """The name that REST accepts, such as XBTUSD."""
        return f"{self.base.altname}{self.quote.altname}"

    @property
    def rest_id(self) -> str:
        """The key of REST results: XXBTZUSD where both assets have legacy names, else the altname."""
        legacy = self.base.rest_id != self.base.altname and self.quote.rest_id != self.quote.altname
        return f"{self.base.rest_id}{self.quote.rest_id}" if legacy else self.altname

    @property
    def lot(self) -> Decimal:
        """The smallest step of a quantity."""
        return Decimal(1).scaleb(-self.quantity_decimals)

    @property
    def cost_unit(self) -> Decimal:
        """What costs and fees in quote currency are rounded to."""
        return Decimal(1).scaleb(-self.cost_decimals)


def fee_percent(steps: FeeSteps, volume: Decimal) -> Decimal:
    """The fee that a 30-day volume in USD earns.

    >>> fee_percent(TAKER_FEES, Decimal(60_000))
    Decimal('0.24')
    """
    return next(percent for least, percent in reversed(steps) if volume >= least)


def _asset(name: str, rest_id: str, decimals: int, display: int, altname: str = "") -> Asset:
    return Asset(
        name=name, rest_id=rest_id, altname=altname or name, decimals=decimals, display_decimals=display
    )


BTC = _asset("BTC", "XXBT", 10, 5, "XBT")
ETH = _asset("ETH", "XETH", 10, 5)
XRP = _asset("XRP", "XXRP", 8, 5)
DOGE = _asset("DOGE", "XXDG", 8, 2, "XDG")
ADA = _asset("ADA", "ADA", 8, 6)
SOL = _asset("SOL", "SOL", 10, 5)
USD = _asset("USD", "ZUSD", 4, 2)
EUR = _asset("EUR", "ZEUR", 4, 2)
USDT = _asset("USDT", "USDT", 8, 4)


def _listing(
    base: Asset, quote: Asset, digits: tuple[int, int], minimums: tuple[str, str], start: str
) -> Listing:
    decimals, cost_decimals = digits
    return Listing(
        base=base,
        quote=quote,
        price_decimals=decimals,
        cost_decimals=cost_decimals,
        tick_size=Decimal(1).scaleb(-decimals),
        quantity_min=Decimal(minimums[0]),
        cost_min=Decimal(minimums[1]),
        start_price=Decimal(start),
    )


DEMO_LISTINGS = (
    _listing(BTC, USD, (1, 5), ("0.0001", "0.5"), "30000.0"),
    _listing(ETH, USD, (2, 5), ("0.002", "0.5"), "1900.00"),
    _listing(SOL, USD, (2, 5), ("0.05", "0.5"), "95.00"),
    _listing(XRP, USD, (5, 8), ("10", "0.5"), "0.55000"),
    _listing(ADA, USD, (6, 6), ("10", "0.5"), "0.350000"),
    _listing(DOGE, USD, (7, 9), ("60", "0.5"), "0.0700000"),
    _listing(ETH, BTC, (5, 10), ("0.002", "0.00002"), "0.06333"),
    _listing(BTC, EUR, (1, 5), ("0.0001", "0.45"), "27500.0"),
    _listing(BTC, USDT, (1, 5), ("0.0001", "0.5"), "30000.0"),
)
