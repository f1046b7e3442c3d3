"""What a pair may be traded in: price tick, lot, and the smallest order a venue takes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Self

from gal_friday_core.errors import ContractError, DataError
from gal_friday_core.grid import Grid
from gal_friday_core.money import CENT, ZERO, from_float

LEAST_DIGITS = 6
MOST_DIGITS = 9
UNKNOWN_DECIMALS = -1
_SMALLEST_COST = {"BTC": Decimal("0.00002"), "ETH": Decimal("0.0002")}
_SMALLEST_COST_ELSEWHERE = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One pair. `price_tick`, `min_cost` in quote currency; `lot`, `min_quantity` in base units.

    The decimals are those that the venue writes prices and quantities with, by which a book's checksum
    counts; where it does not say, those of the tick and the lot. `status` is the venue's word: online,
    cancel_only, post_only, limit_only or reduce_only. `max_quantity` is None where the venue names none.
    """

    pair: str
    price_tick: Decimal
    lot: Decimal = CENT
    min_quantity: Decimal = CENT
    min_cost: Decimal = ZERO
    price_decimals: int = UNKNOWN_DECIMALS
    qty_decimals: int = UNKNOWN_DECIMALS
    status: str = "online"
    max_quantity: Decimal | None = None
    _prices: Grid = field(init=False, repr=False, compare=False)
    _quantities: Grid = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        base, _, quote = self.pair.partition("/")
        if not (base and quote):
            raise ContractError(f"not a pair: {self.pair!r} (expected BASE/QUOTE, such as BTC/USD)")
        if self.price_tick <= 0 or self.lot <= 0:
            raise ContractError(f"{self.pair}: price tick and lot must be positive")
        for name, step in (("price_decimals", self.price_tick), ("qty_decimals", self.lot)):
            told = getattr(self, name)
            if told == UNKNOWN_DECIMALS:
                object.__setattr__(self, name, max(0, _decimals(step)))
            elif told < _decimals(step):
                raise ContractError(f"{self.pair}: {name} {told} cannot write the step {step}")
        object.__setattr__(self, "_prices", Grid(self.price_tick))
        object.__setattr__(self, "_quantities", Grid(self.lot))

    @property
    def online(self) -> bool:
        """Whether the venue takes every kind of order."""
        return self.status == "online"

    @property
    def base(self) -> str:
        return self.pair.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.pair.partition("/")[2]

    def price_down(self, price: Decimal) -> Decimal:
        return self._prices.down(price)

    def price_up(self, price: Decimal) -> Decimal:
        return self._prices.up(price)

    def quantity_down(self, quantity: Decimal) -> Decimal:
        return self._quantities.down(quantity)

    def fits_price(self, price: Decimal) -> bool:
        return price > ZERO and self._prices.holds(price)

    def fits_quantity(self, quantity: Decimal) -> bool:
        return quantity > ZERO and self._quantities.holds(quantity)

    @classmethod
    def derive(cls, pair: str, prices: Iterable[float]) -> Self:
        """A sensible instrument from observed prices, where no venue has told its own.

        The tick shows as many decimals as the prices do, between six and nine significant digits of
        their median (Kraken quotes BTC/USD in 0.1, ETH/USD in 0.01). The lot is 1e-8. Raises DataError
        where there is no positive price.

        >>> Instrument.derive("BTC/USD", [963.37, 963.4, 960.0]).price_tick
        Decimal('0.001')
        """
        positive = [from_float(price) for price in prices if price > 0]
        if not positive:
            raise DataError(f"{pair}: no positive price to derive a tick from; ingest candles first")
        leading = median(positive).adjusted()
        shown = max(_decimals(price) for price in positive)
        decimals = min(max(shown, LEAST_DIGITS - 1 - leading), MOST_DIGITS - 1 - leading)
        quote = pair.partition("/")[2]
        return cls(
            pair,
            price_tick=Decimal(1).scaleb(-decimals),
            min_cost=_SMALLEST_COST.get(quote, _SMALLEST_COST_ELSEWHERE),
        )


def _decimals(price: Decimal) -> int:
    exponent = price.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
