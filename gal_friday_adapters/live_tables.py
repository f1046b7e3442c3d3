"""What live engines left behind as Parquet, one file a month, series and table; floats keep every bit.

    <root>/live/table=predictions/series=kraken_BTC-USD_1m/month=2024-01/data.parquet

Amounts of money are text, in the digits that were written. Entry point: `LiveTables`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import Location
from gal_friday_adapters.parquet_store import read_frame, write_frame
from gal_friday_core.candles import UNKNOWN_TRADES, Candles, Series
from gal_friday_core.features.registry import known_sets, set_of
from gal_friday_core.live_records import Predictions, Recorded

BAR = ("open", "high", "low", "close", "volume")
_TYPES: dict[Any, Any] = {int: pl.Int64, float: pl.Float64, bool: pl.Boolean, str: pl.String}
_FEATURES = "features-"


class LiveTables:
    """Every method raises StorageError where a file cannot be written or read."""

    def __init__(self, root: Location) -> None:
        self._files = files_at(root / "live")

    def write(self, table: str, series: Series, month: str, frame: pl.DataFrame) -> bool:
        """Replace a month; False, touching nothing, where it is the same already."""
        with self._files.held(f"{table}_{series.key.replace(':', '_')}"):
            return write_frame(self._files, _name(table, series, month), frame)

    def read(self, table: str, series: Series, month: str) -> pl.DataFrame | None:
        """None where nothing is stored."""
        advice = "remove it, and materialise that month again"
        return read_frame(self._files, _name(table, series, month), advice)

    def write_features(self, series: Series, month: str, parts: Sequence[Recorded]) -> list[str]:
        """One table a schema; their names."""
        names = []
        for schema_hash in sorted({part.schema_hash for part in parts}):
            frame = pl.concat([_rows(part) for part in parts if part.schema_hash == schema_hash])
            names.append(features_table(schema_hash))
            self.write(names[-1], series, month, frame)
        return names

    def features(self, series: Series, month: str) -> list[Recorded]:
        """As they were used, one part a session and schema."""
        found = []
        for schema in known_sets():
            frame = self.read(features_table(schema.hash), series, month)
            if frame is not None:
                parts = frame.partition_by("session", maintain_order=True)
                found += [_recorded(part, series, schema.hash) for part in parts]
        return found


def _name(table: str, series: Series, month: str) -> str:
    return f"table={table}/series={series.key.replace(':', '_')}/month={month}/data.parquet"


def features_table(schema_hash: str) -> str:
    """Tables of different schemas never mix."""
    schema = set_of(schema_hash)
    return f"{_FEATURES}{'unknown' if schema is None else schema.name}-{schema_hash[:12]}"


def frame_of(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> pl.DataFrame:
    """Rows of flat structs as columns, in the order of their fields."""
    fields = msgspec.structs.fields(kind)
    schema = {field.name: _TYPES[field.type] for field in fields}
    held = list(rows)
    return pl.DataFrame({name: [getattr(row, name) for row in held] for name in schema}, schema=schema)


def predictions_frame(said: Predictions) -> pl.DataFrame:
    """All columns by name."""
    return pl.DataFrame(said.columns())


def predictions_from(frame: pl.DataFrame) -> Predictions:
    """What `predictions_frame` made."""
    columns: list[NDArray[Any]] = []
    for name in Predictions.__slots__:
        values = frame[name].to_numpy()
        columns.append(values.astype(np.str_) if frame[name].dtype == pl.String else values)
    return Predictions(*columns)


def _rows(part: Recorded) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "session": [part.session] * len(part),
        "mode": [part.mode] * len(part),
        "ts": part.bars.ts,
    }
    bars = zip(BAR, part.bars.columns()[1:6], strict=True)
    columns |= {f"bar_{name}": values for name, values in bars}
    schema = set_of(part.schema_hash)
    names = (
        schema.names
        if schema is not None
        else tuple(f"feature_{place}" for place in range(part.values.shape[1]))
    )
    columns |= {name: np.ascontiguousarray(part.values[:, place]) for place, name in enumerate(names)}
    return pl.DataFrame(columns)


def _recorded(frame: pl.DataFrame, series: Series, schema_hash: str) -> Recorded:
    ts = frame["ts"].to_numpy()
    open_, high, low, close, volume = (frame[f"bar_{name}"].to_numpy() for name in BAR)
    bars = Candles(series, ts, open_, high, low, close, volume, np.full(len(ts), UNKNOWN_TRADES, np.int64))
    values = np.column_stack([column.to_numpy() for column in frame.iter_columns()][len(BAR) + 3 :])
    return Recorded(frame["session"][0], frame["mode"][0], schema_hash, bars, values)
