"""Reads sessions back: a file or a folder of parts, plain or gzip, whole or cut off by a killed writer.

Nothing in a session is trusted: a damaged line is left out and told, a damaged or unfinished part is read
as far as it goes and told, and no line may grow without bound.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from gal_friday_adapters.sessions.records import GAP, SERVER, Record, decode
from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.times import from_iso

CHUNK = 1 << 18
LONGEST_LINE = 1 << 24
"""Kraken's largest message, the instrument snapshot, has 0.4 MB."""
LONGEST_UNTIMED = 10_000
"""Messages of a bare capture that wait for the first time that the exchange names."""
_NEVER_NS = 2**63 - 1
_SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_TIMES = re.compile(rb'"(?:timestamp|time_out)"\s*:\s*"([^"\\]{10,40})"')
_OHLC = re.compile(rb'"channel"\s*:\s*"ohlc"')


@dataclass(frozen=True, slots=True)
class Damage:
    """What could not be read, and where: `line` counts from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Session:
    """The records of one session in the order of the wire; iterate as often as wanted.

    `damage` tells what the last pass had to leave out, `dropped` how many records the writer said it lost.
    A capture of bare messages has no times of receipt: each message then counts as heard at the latest
    time that the exchange has named so far, and those before any at the first.
    """

    def __init__(self, *paths: str | Path) -> None:
        """Raises DataError where there is nothing to read."""
        self.parts = [part for path in paths for part in _parts(Path(path))]
        self.damage: list[Damage] = []
        self.dropped = 0

    def __iter__(self) -> Iterator[Record]:
        self.damage, self.dropped = [], 0
        latest_ns = 0
        untimed: list[Record] = []
        for record in chain.from_iterable(map(self._records, self.parts)):
            self.dropped += record.dropped if record.kind == GAP else 0
            latest_ns = max(latest_ns, record.ts_ns or _named_time(record))
            if not latest_ns and len(untimed) < LONGEST_UNTIMED:
                untimed.append(record)
                continue
            yield from (_timed(earlier, latest_ns) for earlier in untimed)
            untimed.clear()
            yield _timed(record, latest_ns)
        yield from untimed

    def _records(self, part: Path) -> Iterator[Record]:
        number = 0
        try:
            for number, line in enumerate(_lines(part), 1):
                try:
                    if line.strip():
                        yield decode(line)
                except DataError as error:
                    self.damage.append(Damage(part.name, number, str(error)))
        except _CutOffError as error:
            self.damage.append(Damage(part.name, number + 1, str(error)))


def _timed(record: Record, ts_ns: int) -> Record:
    return record if record.ts_ns else msgspec.structs.replace(record, ts_ns=ts_ns)


class _CutOffError(Exception):
    """The rest of this part cannot be read."""


def _parts(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"no session at {path}: give a recorded folder or a JSON Lines file")
    found = sorted(item for item in path.iterdir() if item.name.endswith(_SUFFIXES))
    if not found:
        raise DataError(f"no session in {path}: none of its files ends in {', '.join(_SUFFIXES)}")
    return found


def _lines(part: Path) -> Iterator[bytes]:
    """Lines without their newline. Raises _CutOffError at the end of a part that has no proper one."""
    rest = b""
    for chunk in _unpacked(part):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise _CutOffError(f"a line of more than {LONGEST_LINE:,} bytes; the rest was not read")
    if rest.strip():
        try:
            decode(rest)
        except DataError:
            raise _CutOffError("the last line is unfinished; it was left out") from None
        yield rest


def _unpacked(part: Path) -> Iterator[bytes]:
    try:
        with part.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            chunks = iter(lambda: file.read(CHUNK), b"")
            yield from _members(chunks) if packed else chunks
    except OSError as error:
        raise StorageError(f"cannot read {part}: {error.strerror}") from error


def _members(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The text of one or more gzip members, as much as is whole."""
    member, began = zlib.decompressobj(31), False
    for packed in chunks:
        pending = packed
        while pending:
            try:
                text = member.decompress(pending, CHUNK)
            except zlib.error as error:
                raise _CutOffError(f"the compressed part is damaged from here on ({error})") from None
            began = True
            pending = member.unconsumed_tail
            if text:
                yield text
            if member.eof:
                pending = member.unused_data
                member, began = zlib.decompressobj(31), False
    if began:
        yield member.flush()
        raise _CutOffError("the compressed part was never finished; it was read as far as it goes")


def _named_time(record: Record) -> int:
    """The last time the exchange names in a message; 0 where it names none. A bar names its future end."""
    if record.kind != SERVER or _OHLC.search(record.message[:200]):
        return 0
    times = _TIMES.findall(record.message)
    try:
        named = from_iso(times[-1].decode()) if times else 0
    except (DataError, UnicodeDecodeError):
        return 0
    return named if 0 <= named < _NEVER_NS else 0
