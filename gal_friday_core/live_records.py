"""What live engines recorded of predictions and features, as columns. Entry points: `predictions_of`, `features_of`.

Lines come from the journal, in the order written. A record that an older version wrote lacks some fields: times that
nobody noted are `UNNOTED`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import UNKNOWN_TRADES, Candles, Series
from gal_friday_core.errors import DataError

PREDICTION, SHADOW_PREDICTION = "PREDICTION", "SHADOW_PREDICTION"
SAID = (PREDICTION, SHADOW_PREDICTION)
FEATURES = "FEATURES"
UNNOTED = -1

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Names = NDArray[np.str_]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal with the mode of its session; `record` is JSON, `recorded_ns` the database's time."""

    session: str
    mode: str
    seq: int
    ts_ns: int
    kind: str
    key: str
    record: str
    recorded_ns: int = UNNOTED


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """What models said, in the order of time and of writing. All columns are of one length.

    `t0_ns` the bar's close (or moment) that was predicted for; `heard` whether it could be traded, or was a shadow's;
    `threshold` of entry, NaN where nobody noted it; `price` the reference price, as digits. `received_ns` is when the features
    came, `scored_ns` when the value was known, by the engine's clock; `UNNOTED` where nobody noted them.
    """

    session: Names
    mode: Names
    model_id: Names
    heard: NDArray[np.bool_]
    t0_ns: Times
    probability: Values
    threshold: Values
    price: Names
    received_ns: Times
    scored_ns: Times

    def __len__(self) -> int:
        return len(self.t0_ns)

    def __getitem__(self, rows: Any) -> "Predictions":
        return Predictions(*(column[rows] for column in self.columns().values()))

    def columns(self) -> dict[str, NDArray[Any]]:
        """By name, in the order in which they stand above."""
        return {name: getattr(self, name) for name in self.__slots__}

    def of(self, model_id: str) -> "Predictions":
        return self[self.model_id == model_id]

    def once(self) -> "Predictions":
        """Each moment of each model once, as it was said first: sessions may have played the same bars."""
        keys = np.rec.fromarrays((self.model_id, self.t0_ns))
        return self[np.sort(np.unique(keys, return_index=True)[1])]


class _Said(msgspec.Struct):
    model_id: str
    value: float
    price: str = ""
    series: str | None = None
    threshold: float | None = None
    received_ns: int = UNNOTED
    scored_ns: int = UNNOTED

    def is_of(self, series: Series) -> bool:
        """A model's name begins with its series, which older records do not name."""
        return (self.series or self.model_id).startswith(series.key)


_SAID = msgspec.json.Decoder(_Said)


def predictions_of(lines: Iterable[Line], series: Series | None = None) -> Predictions:
    """Lines of the kinds `SAID`, those of one series where it is given. Raises DataError for one that cannot be read."""
    found = [
        (line, said)
        for line in lines
        if (said := _read(_SAID, line)) and (series is None or said.is_of(series))
    ]
    found.sort(key=lambda one: (one[0].ts_ns, one[0].seq))
    return Predictions(
        _names(line.session for line, _ in found),
        _names(line.mode for line, _ in found),
        _names(said.model_id for _, said in found),
        np.array([line.kind == PREDICTION for line, _ in found], np.bool_),
        np.array([line.ts_ns for line, _ in found], np.int64),
        np.array([said.value for _, said in found], np.float64),
        np.array(
            [np.nan if said.threshold is None else said.threshold for _, said in found], np.float64
        ),
        _names(said.price for _, said in found),
        np.array([said.received_ns for _, said in found], np.int64),
        np.array([said.scored_ns for _, said in found], np.int64),
    )  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Recorded:
    """Bars as one session heard them, and the row of features it made of each, (bars, features) bit for bit."""

    session: str
    mode: str
    schema_hash: str
    bars: Candles
    values: Values

    def __len__(self) -> int:
        return len(self.bars)


class _Row(msgspec.Struct):
    series: str
    schema: str
    bar: tuple[str, str, str, str, str]
    values: bytes


_ROW = msgspec.json.Decoder(_Row)


def features_of(lines: Iterable[Line], series: Series) -> list[Recorded]:
    """Lines of the kind `FEATURES` of a series, one part a session and schema, bars in time order.

    Raises DataError for a line that cannot be read, and where rows of one schema differ in length.
    """
    found = [(line, row) for line in lines if (row := _read(_ROW, line)).series == series.key]
    found.sort(key=lambda one: (one[0].session, one[1].schema, one[0].ts_ns))
    parts = groupby(found, key=lambda one: (one[0].session, one[0].mode, one[1].schema))
    return [_recorded(*named, series, list(rows)) for named, rows in parts]


def _recorded(
    session: str, mode: str, schema_hash: str, series: Series, rows: Sequence[tuple[Line, _Row]]
) -> Recorded:
    sizes = {len(row.values) for _, row in rows}
    if len(sizes) != 1:
        raise DataError(
            f"session {session}: rows of features {schema_hash[:12]} have {sorted(sizes)} bytes: one length is right"
        )
    ts = np.array([line.ts_ns for line, _ in rows], np.int64) - series.interval_ns
    numbers = np.array([row.bar for _, row in rows], np.str_).astype(np.float64)
    open_, high, low, close, volume = numbers.T.copy()
    trades = np.full(len(ts), UNKNOWN_TRADES, np.int64)
    bars = Candles(series, ts, open_, high, low, close, volume, trades)
    values = np.frombuffer(b"".join(row.values for _, row in rows), "<f8").astype(np.float64, copy=False)
    return Recorded(session, mode, schema_hash, bars, values.reshape(len(rows), -1))


def _read(decoder: "msgspec.json.Decoder[Any]", line: Line) -> Any:
    try:
        return decoder.decode(line.record)
    except msgspec.MsgspecError as error:
        raise DataError(f"journal {line.kind} {line.key} of session {line.session}: {error}") from None


def _names(texts: Iterable[str]) -> Names:
    return np.array(list(texts), np.str_)
