"""Features of any set that bars alone give, by its schema: those of the kernel, and those of installed packages.

`compute` over stored candles, `stream` and `from_history` for live bars. `drivers` has the same for the kernel alone.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.features import drivers
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH, FeatureStream, FeatureTable
from gal_friday_core.features.outside import OutsideColumns, is_outside
from gal_friday_core.features.schema import FeatureSchema

__all__ = [
    "REACH",
    "BarStream",
    "FeatureTable",
    "WiderStream",
    "compute",
    "from_history",
    "is_of_bars",
    "stream",
]


class BarStream(Protocol):
    """Features of one series, live: each closed bar once, in order."""

    @property
    def schema(self) -> FeatureSchema: ...

    @property
    def ready(self) -> bool:
        """Whether the newest row was finite in every column."""
        ...

    def update(  # noqa: PLR0917 - a bar has six numbers in one well-known order
        self,
        ts: int,
        open: float,  # noqa: A002 - the bar's own word
        high: float,
        low: float,
        close: float,
        volume: float,
    ) -> NDArray[np.float64]: ...

    def extend(self, candles: Candles) -> NDArray[np.float64]: ...


class WiderStream:
    """A kernel's row, followed by a package's own columns."""

    __slots__ = ("_base", "_known", "_own", "schema")

    def __init__(self, schema: FeatureSchema, interval_ns: int) -> None:
        self.schema = schema
        self._base = FeatureStream(CANDLES_V1, interval_ns)
        self._own = OutsideColumns(schema, interval_ns)
        self._known = False

    @property
    def ready(self) -> bool:
        return self._base.ready and self._known

    def update(  # noqa: PLR0917 - a bar has six numbers in one well-known order
        self,
        ts: int,
        open: float,  # noqa: A002 - the bar's own word
        high: float,
        low: float,
        close: float,
        volume: float,
    ) -> NDArray[np.float64]:
        """The row of a closed bar. Raises DataError where the kernel refuses it, before the package has seen it."""
        base = self._base.update(ts, open, high, low, close, volume)
        own = self._own.update(ts, open, high, low, close, volume)
        self._known = bool(np.isfinite(own).all())
        return np.concatenate((base, own))

    def extend(self, candles: Candles) -> NDArray[np.float64]:
        """`update` for each of these bars: (bars, features)."""
        base = self._base.extend(candles)
        own = self._own.extend(candles)
        if len(own):
            self._known = bool(np.isfinite(own[-1]).all())
        return np.concatenate((base, own), axis=1)


def is_of_bars(schema: FeatureSchema) -> bool:
    """Whether bars alone give it, here and now: not a set with a book, nor one of code that is not installed."""
    return schema.hash == CANDLES_V1.hash or is_outside(schema)


def stream(schema: FeatureSchema, interval_ns: int) -> BarStream:
    """A stream that has seen nothing. Raises SchemaMismatchError for a set that bars alone do not give."""
    return WiderStream(schema, interval_ns) if is_outside(schema) else FeatureStream(schema, interval_ns)


def from_history(candles: Candles, schema: FeatureSchema) -> BarStream:
    """A stream that has seen these candles; the last `REACH` bars give the bits of all history."""
    found = stream(schema, candles.series.interval_ns)
    found.extend(candles[-REACH:])
    return found


def compute(candles: Candles, schema: FeatureSchema = CANDLES_V1) -> FeatureTable:
    """The features of every bar, from the first one on (NaN until warm). Raises as `stream` does, and DataError for bars."""
    if schema.hash == CANDLES_V1.hash:
        return drivers.compute(candles, schema)
    return FeatureTable(candles.ts, stream(schema, candles.series.interval_ns).extend(candles), schema)
