"""An equity curve as two columns: read as a sequence it is (time, equity) in decimals, to the last booked digit."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import overload

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.performance import Curve

_EXACT_FLOATS = 2**53
_CENTS = 1e8

Point = tuple[int, Decimal]


class Equity(Sequence[Point]):
    """The start, then one point a bar. `ts` in ns UTC, `cents` equity in units of `money.CENT`.

    `first` is what the run began with, as it was written.

    >>> Equity(Decimal(5), np.array([0, 60]), np.array([500_000_000, 510_000_000]))[1]
    (60, Decimal('5.10000000'))
    """

    def __init__(self, first: Decimal, ts: NDArray[np.int64], cents: NDArray[np.int64]) -> None:
        self._first = first
        self.ts = ts
        self.cents = cents

    def __len__(self) -> int:
        return len(self.ts)

    @overload
    def __getitem__(self, place: int) -> Point: ...

    @overload
    def __getitem__(self, place: slice) -> list[Point]: ...

    def __getitem__(self, place: int | slice) -> Point | list[Point]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        return int(self.ts[at]), self._first if at == 0 else Decimal(int(self.cents[at])).scaleb(-8)

    def __iter__(self) -> Iterator[Point]:
        if len(self):
            yield self[0]
        for ts, cents in zip(self.ts[1:].tolist(), self.cents[1:].tolist(), strict=True):
            yield ts, Decimal(cents).scaleb(-8)

    def curve(self) -> Curve:
        """For statistics."""
        return Curve(self.ts, self.floats(), self[0][1], self[-1][1])

    def floats(self) -> NDArray[np.float64]:
        """Equity in float64: of each amount the nearest, as `float` gives it."""
        if len(self.cents) and np.abs(self.cents).max() >= _EXACT_FLOATS:
            return np.array([float(equity) for _, equity in self])
        found: NDArray[np.float64] = self.cents / _CENTS
        if len(found):
            found[0] = float(self._first)
        return found
