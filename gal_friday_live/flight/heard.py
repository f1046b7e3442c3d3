"""What recorded live engines made of the real market: their features, for who certifies a model."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_live.flight.flight import flights_in
from gal_friday_live.flight.means import FEATURES
from gal_friday_live.flight.record import TELL, FlightRecord


class Told(msgspec.Struct, frozen=True):
    """A row of features as it was told. `known_ns` is the close of its bar, `bits` its float64 numbers."""

    pair: str
    known_ns: int
    schema_hash: str
    bits: str


_TOLD = msgspec.json.Decoder(Told)


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Features as live engines had them, and why which flights were `left_out`."""

    table: FeatureTable
    left_out: tuple[str, ...]

    @property
    def source(self) -> str:
        """For who reads the certificate."""
        if not self.left_out:
            return "recorded live engines"
        first, *more = self.left_out
        also = f", and {len(more)} more" if more else ""
        return f"recorded live engines (left out: {first}{also})"


def heard_features(folder: Path, series: Series, schema: FeatureSchema, rows: int) -> Heard:
    """The latest features of a series in the flights of a folder, about `rows` of them; the newest flight's word counts.

    A flight on a simulated exchange says nothing of the real market, and one of another interval nothing of these
    bars. One of another version of the record is left out, and said so. Raises DataError for a record that is damaged.
    """
    found: dict[int, str] = {}
    left_out = []
    for flight in reversed(flights_in(folder)):
        if len(found) >= rows:
            break
        if (unread := FlightRecord(flight).unreadable()) is not None:
            left_out.append(unread)
        elif real_market(flight) == (series.venue, series.interval):
            found = _rows_of(flight, series, schema.hash) | found
    return Heard(table=_table(found, schema, rows), left_out=tuple(left_out))


def _table(found: dict[int, str], schema: FeatureSchema, rows: int) -> FeatureTable:
    ts = sorted(found)[-rows:]
    values = [np.frombuffer(bytes.fromhex(found[at]), "<f8").astype(np.float64) for at in ts]
    return FeatureTable(np.array(ts, np.int64), np.array(values).reshape(len(ts), len(schema)), schema)


def real_market(flight: Path) -> tuple[str, str] | None:
    """Venue and interval of the bars that were traded; None of a simulated exchange. Raises DataError."""
    head = FlightRecord(flight).head
    if head.request.get("venue") is not None:
        return None
    market = head.config.get("market", {})
    return market.get("exchange"), market.get("interval")


def told(flight: Path) -> Iterator[Told]:
    """Every row of features, also where records were lost: each stands for itself. Raises DataError."""
    try:
        for said in FlightRecord(flight).session:
            if said.kind == TELL and said.reason == FEATURES:
                yield _TOLD.decode(said.message)
    except msgspec.MsgspecError as error:
        raise DataError(f"{flight}: features that were told cannot be read: {error}") from None


def _rows_of(flight: Path, series: Series, schema_hash: str) -> dict[int, str]:
    """By the opening time of the bar."""
    return {
        row.known_ns - series.interval_ns: row.bits
        for row in told(flight)
        if (row.pair, row.schema_hash) == (series.pair, schema_hash)
    }
