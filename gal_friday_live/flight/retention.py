"""Which flight records may go: old ones, but none of whose rows the gate `replay_parity` would still compare."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.features.registry import set_of
from gal_friday_core.times import DAY_NS
from gal_friday_live.flight.flight import flights_in
from gal_friday_live.flight.heard import real_market, told
from gal_friday_live.flight.record import FlightRecord

Known = dict[tuple[str, str, str, str], set[int]]
"""Closing times of bars whose features are known, by venue, interval, pair and schema."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """`deleted` and `left` by name; `needed` of the latter are older than they should be, `damaged` cannot be judged."""

    deleted: tuple[str, ...]
    left: tuple[str, ...]
    needed: tuple[str, ...]
    damaged: tuple[str, ...]
    bytes_left: int


def forget(folder: Path, *, now_ns: int, keep_days: float, rows: int) -> Kept:
    """Delete what was last written more than `keep_days` ago, unless its rows are among the newest `rows` of their series.

    A record that is damaged is left for somebody to look at. Raises StorageError where nothing can be deleted.
    """
    flights = [flight for flight in flights_in(folder) if flight != folder]
    old = [flight for flight in flights if now_ns - _written_ns(flight) > keep_days * DAY_NS]
    needed, damaged = _judged(flights, rows) if old else (set(), set())
    gone = [flight for flight in old if flight not in needed | damaged]
    for flight in gone:
        try:
            shutil.rmtree(flight)
        except OSError as error:
            raise StorageError(f"{flight} is outdated and cannot be deleted: {error.strerror}") from error
    left = [flight for flight in flights if flight not in gone]
    return Kept(
        deleted=_names(gone), left=_names(left), needed=_names(one for one in old if one in needed),
        damaged=_names(damaged), bytes_left=sum(_size(flight) for flight in left),
    )  # fmt: skip


def _judged(flights: list[Path], rows: int) -> tuple[set[Path], set[Path]]:
    """Those that the gate reads for some series, newest first as it does, and those that nobody can read."""
    known: Known = {}
    needed, damaged = set(), set()
    for flight in reversed(flights):
        try:
            found = _rows_of(flight)
        except DataError:
            damaged.add(flight)
            continue
        wanted = {key: bars for key, bars in found.items() if len(known.get(key, ())) < rows}
        if any(wanted.values()):
            needed.add(flight)
        for key, bars in wanted.items():
            known.setdefault(key, set()).update(bars)
    return needed, damaged


def _rows_of(flight: Path) -> Known:
    """What the gate could take of a flight, whichever series it certifies. Raises DataError for a damaged record."""
    if FlightRecord(flight).unreadable() is not None or (market := real_market(flight)) is None:
        return {}
    found: Known = {}
    for row in told(flight):
        if set_of(row.schema_hash) is not None:  # no model is certified on any other
            found.setdefault((*market, row.pair, row.schema_hash), set()).add(row.known_ns)
    return found


def _names(flights: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted(flight.name for flight in flights))


def _files(flight: Path) -> Iterator[Path]:
    return (path for path in flight.rglob("*") if path.is_file())


def _written_ns(flight: Path) -> int:
    return max((path.stat().st_mtime_ns for path in _files(flight)), default=0)


def _size(flight: Path) -> int:
    return sum(path.stat().st_size for path in _files(flight))
