"""The two drivers of the kernel: `compute` over stored candles, `FeatureStream` one live bar at a time.

Both run the same machine code, so row t of a batch equals the stream's row at t bit for bit. A row depends
on the last `REACH` bars at most: begin a stream, or read a partition, that many bars early and its rows
equal those of the whole history.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features import kernel
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.layout import COUNT, REACH, new_state
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.times import MINUTE_NS, to_iso

_BAR = ("open", "high", "low", "close", "volume")

__all__ = ["REACH", "FeatureStream", "FeatureTable", "compute", "warm"]


@dataclass(frozen=True, eq=False, slots=True)
class FeatureTable:
    """Features of one series: `ts` int64 ns, the open of the bar; `values` (bars, features) float64.

    A row is known when its bar closes. NaN means not warm yet.
    """

    ts: NDArray[np.int64]
    values: NDArray[np.float64]
    schema: FeatureSchema = field(repr=False)

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice) -> "FeatureTable":
        return FeatureTable(self.ts[rows], self.values[rows], self.schema)

    def column(self, name: str) -> NDArray[np.float64]:
        return self.values[:, self.schema.index(name)]

    def finite_rows(self) -> NDArray[np.bool_]:
        """Mask of the rows in which every feature is known."""
        finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(self.values), axis=1)
        return finite

    def fingerprint(self) -> str:
        """sha256 over schema, times and values, bit for bit."""
        digest = hashlib.sha256(self.schema.hash.encode())
        digest.update(np.ascontiguousarray(self.ts).astype("<i8").tobytes())
        digest.update(np.ascontiguousarray(self.values).astype("<f8").tobytes())
        return digest.hexdigest()


class FeatureStream:
    """Features of one series, live: feed it each closed bar once, in order."""

    __slots__ = ("_clock", "_out", "_state", "schema")

    def __init__(self, schema: FeatureSchema, interval_ns: int) -> None:
        if schema.hash != CANDLES_V1.hash:
            raise SchemaMismatchError(
                f"no kernel computes feature set {schema.name!r} with hash {schema.hash[:12]}: this version "
                f"computes {CANDLES_V1.name!r} with hash {CANDLES_V1.hash[:12]}"
            )
        self.schema = schema
        warmups = np.array([feature.warmup for feature in schema.features], dtype=np.int64)
        self._state, self._clock = new_state(interval_ns, warmups)
        self._out = np.empty(len(schema))

    @classmethod
    def from_history(cls, candles: Candles, schema: FeatureSchema = CANDLES_V1) -> Self:
        """A stream that has seen these candles; the last `REACH` bars give the bits of all history."""
        stream = cls(schema, candles.series.interval_ns)
        stream.extend(candles[-REACH:])
        return stream

    @property
    def ready(self) -> bool:
        """Whether the newest row was finite in every column."""
        return int(self._clock[COUNT]) > self.schema.warmup

    def update(  # noqa: PLR0917 - a bar has six numbers in one well-known order
        self,
        ts: int,
        open: float,  # noqa: A002 - the bar's own word
        high: float,
        low: float,
        close: float,
        volume: float,
    ) -> NDArray[np.float64]:
        """The row of a closed bar that opened at `ts` (ns UTC): float64 in schema order, the caller's own.

        Raises DataError for a bar that is not later than the last one, or whose numbers are not finite,
        positive and in order; the stream is then as it was.
        """
        out = self._out
        if not kernel.update(self._state, self._clock, ts, open, high, low, close, volume, out):
            raise DataError(_refusal(ts, open, high, low, close, volume))
        return out.copy()

    def extend(self, candles: Candles) -> NDArray[np.float64]:
        """`update` for each of these candles: values (bars, features). Raises DataError as `update` does."""
        ts = np.ascontiguousarray(candles.ts)
        prices = (
            np.ascontiguousarray(candles.open),
            np.ascontiguousarray(candles.high),
            np.ascontiguousarray(candles.low),
            np.ascontiguousarray(candles.close),
        )
        out = np.empty((len(ts), len(self.schema)))
        taken = kernel.run(self._state, self._clock, ts, prices, np.ascontiguousarray(candles.volume), out)
        if taken < len(ts):
            raise DataError(f"{candles.series.key}, row {taken}: {_refusal(*_bar(candles, taken))}")
        return out


def _bar(candles: Candles, row: int) -> tuple[int, float, float, float, float, float]:
    return (
        int(candles.ts[row]),
        float(candles.open[row]),
        float(candles.high[row]),
        float(candles.low[row]),
        float(candles.close[row]),
        float(candles.volume[row]),
    )


def _refusal(ts: int, *numbers: float) -> str:
    bar = ", ".join(f"{name} {number}" for name, number in zip(_BAR, numbers, strict=True))
    return (
        f"bar refused at {to_iso(ts)}: {bar}; bars come in time order, each once, with finite positive prices, "
        "low <= high and a volume of zero or more"
    )


def compute(candles: Candles, schema: FeatureSchema = CANDLES_V1) -> FeatureTable:
    """The features of every bar, from the first one on (NaN until warm). Raises DataError as `update` does."""
    stream = FeatureStream(schema, candles.series.interval_ns)
    return FeatureTable(candles.ts, stream.extend(candles), schema)


def warm() -> None:
    """Compile both drivers ahead, or load them from the cache, so that the first live bar does not wait."""
    series, one = Series("none", "BASE/QUOTE", "1m"), np.ones(1)
    compute(
        Candles(series, np.zeros(1, dtype=np.int64), one, one, one, one, one, np.zeros(1, dtype=np.int64))
    )
    FeatureStream(CANDLES_V1, MINUTE_NS).update(0, 1.0, 1.0, 1.0, 1.0, 1.0)
