"""Feature sets of installed packages: the columns of `candles-v1`, followed by columns that a package computes from bars.

The candle columns come first in every such set, so labels, primary rules and sizes read what they always read. The
schema's hash covers the package's code: a model that was trained on other code is refused, as one that was trained on
another kernel is.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.extensions.contracts import ColumnStream, FeatureSetExtension
from gal_friday_core.extensions.loading import Extension, extension, loaded
from gal_friday_core.extensions.offers import offers
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.times import to_iso

KEY = "features.sets"


def outside_set(name: str) -> FeatureSchema:
    """The schema of a package's set. Raises ConfigError where nobody offers it, or where its columns cannot be."""
    return _schema(extension("feature-set", name, FeatureSetExtension, KEY))


def outside_sets() -> Iterator[FeatureSchema]:
    """Every set that installed packages offer and that can be loaded; `extensions list` says of the others why not."""
    for offer in offers("feature-set"):
        try:
            yield _schema(loaded(offer, FeatureSetExtension))
        except ConfigError:
            continue


def is_outside(schema: FeatureSchema) -> bool:
    """Whether it is of an installed package, of exactly this code."""
    return bool(schema.code) and any(known.hash == schema.hash for known in outside_sets())


class OutsideColumns:
    """One series' stream of a package's own columns; what it gives is looked at before anybody reads it."""

    __slots__ = ("_columns", "_name", "_stream")

    def __init__(self, schema: FeatureSchema, interval_ns: int) -> None:
        found = extension("feature-set", schema.name, FeatureSetExtension, KEY)
        self._name = str(found.offer)
        self._columns = len(found.contents.features)
        self._stream: ColumnStream = found.contents.stream(interval_ns)

    def update(  # noqa: PLR0917 - a bar has six numbers in one well-known order
        self,
        ts: int,
        open: float,  # noqa: A002 - the bar's own word
        high: float,
        low: float,
        close: float,
        volume: float,
    ) -> NDArray[np.float64]:
        """The columns of a closed bar: float64. Raises DataError for another number of them, or another kind."""
        row = self._stream.update(ts, open, high, low, close, volume)
        self._require(row, (self._columns,), ts)
        return row

    def extend(self, candles: Candles) -> NDArray[np.float64]:
        """`update` for each of these bars: (bars, columns). Raises DataError as `update` does."""
        rows = self._stream.extend(candles)
        self._require(rows, (len(candles), self._columns), int(candles.ts[0]) if len(candles) else 0)
        return rows

    def _require(self, found: object, shape: tuple[int, ...], ts: int) -> None:
        if not (isinstance(found, np.ndarray) and found.dtype == np.float64 and found.shape == shape):
            told = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise DataError(
                f"{self._name} gave {told} at {to_iso(ts)}, and not float64 {shape}: repair the package"
            )


@lru_cache(maxsize=64)
def _schema(found: Extension[FeatureSetExtension]) -> FeatureSchema:
    told = found.contents
    names = [feature.name for feature in told.features]
    clashing = sorted({name for name in names if names.count(name) > 1 or name in CANDLES_V1.places})
    if clashing or not names:
        why = f"{', '.join(clashing)} is there already" if clashing else "it has none"
        raise ConfigError(f"{found.offer}: its columns must be new ones, each once; {why}")
    return FeatureSchema(
        name=found.name,
        revision=CANDLES_V1.revision + told.revision,
        features=(*CANDLES_V1.features, *told.features),
        code=found.code,
    )
