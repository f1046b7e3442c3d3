"""The flight record: a session of the exchange's messages, and between them all else that the engine heard and said.

Each step begins with what was let in, followed by what the engine read, and what it said. Values beyond `LONGEST` stand
in files of their own, named by their sha256.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import CLIENT, CLOSE, CONNECT, GAP, SERVER, Record
from gal_friday_core.errors import DataError, StorageError

VERSION: Final = 1
LONGEST: Final = 1 << 20
ATTACHED: Final = "attached"

HEAD: Final = "flight"
TIME, HEARD, ANSWER, FOREIGN = "time", "heard", "answer", "foreign"
CALL, CANCEL, NOW = "call", "cancel", "now"
READ, SAID, ASK, TELL = "read", "said", "ask", "tell"
LET_IN: Final = frozenset({SERVER, HEARD, CLOSE, TIME, ANSWER, CALL, CANCEL, NOW, FOREIGN})
SPOKEN: Final = frozenset({CLIENT, SAID, ASK, TELL})


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine was when the record began. `request` and `config` are those in force, without secrets.

    `experiments`: whether it took part in them; earlier versions did not.
    """

    version: int = VERSION
    code_version: str
    request: dict[str, Any]
    config: dict[str, Any]
    experiments: bool = False


class _Version(msgspec.Struct, frozen=True):
    version: int


First = TypeVar("First", Head, _Version)


@dataclass(slots=True)
class Step:
    """What was let in, what the engine read (by name, in order), and what it said."""

    let_in: Record
    read: dict[str, list[Any]] = field(default_factory=dict)
    spoken: list[Record] = field(default_factory=list)


class Attached:
    """The files beside a record."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ATTACHED

    def keep(self, text: bytes) -> bytes:
        """The text, or what stands for one that is too long. Raises StorageError."""
        if len(text) <= LONGEST:
            return text
        name = hashlib.sha256(text).hexdigest()
        path = self._folder / f"{name}.json"
        if not path.exists():
            try:
                self._folder.mkdir(exist_ok=True)
                path.write_bytes(text)
            except OSError as error:
                with suppress(OSError):
                    path.unlink(missing_ok=True)  # a part of it must not be taken for the whole
                raise StorageError(f"cannot record into {path}: {error.strerror}") from error
        return msgspec.json.encode({ATTACHED: name})

    def read(self, text: bytes) -> Any:
        """What the text, or the file that it names, says. Raises DataError for a file that is missing or altered."""
        value = msgspec.json.decode(text)
        if not (isinstance(value, dict) and value.keys() == {ATTACHED}):
            return value
        path = self._folder / f"{value[ATTACHED]}.json"
        try:
            found = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} belongs to the record and cannot be read: {error.strerror}") from error
        if hashlib.sha256(found).hexdigest() != value[ATTACHED]:
            raise DataError(f"{path} was altered after it was recorded")
        return msgspec.json.decode(found)


def is_flight(folder: Path) -> bool:
    """Whether a record begins there."""
    try:
        first = next(iter(Session(folder)), None)
    except DataError:
        return False
    return first is not None and first.kind == HEAD


class FlightRecord:
    """A record to be read. `head` raises DataError where the folder holds none, or one of another version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Session(folder)
        self.attached = Attached(folder)

    @property
    def head(self) -> Head:
        if (unread := self.unreadable()) is not None:
            raise DataError(unread)
        return self._first(Head)

    def unreadable(self) -> str | None:
        """Why a record of another version is not read; None for one of this. Raises DataError where there is none."""
        version = self._first(_Version).version
        return (
            None
            if version == VERSION
            else f"{self.folder} is a record of version {version}; this reads {VERSION}"
        )

    def _first(self, kind: type[First]) -> First:
        """What the first line says. Of another version, only its number is known."""
        first = next(iter(self.session), None)
        if first is None or first.kind != HEAD:
            raise DataError(f"{self.folder} holds no flight record: gal-friday live --record makes one")
        try:
            return msgspec.convert(self.attached.read(first.message), kind)
        except msgspec.MsgspecError as error:
            raise DataError(f"{self.folder}: the record's first line cannot be read: {error}") from None

    def steps(self) -> Iterator[Step]:
        """In order, up to the last that is whole. Raises DataError where records were lost in between."""
        step: Step | None = None
        for record in self.session:
            if record.kind in LET_IN:
                if step is not None:
                    yield step
                step = Step(record)
            elif record.kind == GAP:
                raise DataError(
                    f"{self.folder}: {record.dropped} records were lost here; no replay goes beyond"
                )
            elif step is not None:
                self._take(step, record)
        if step is not None and not self.session.damage:
            yield step

    def _take(self, step: Step, record: Record) -> None:
        if record.kind == READ:
            step.read = self.attached.read(record.message)
        elif record.kind in SPOKEN:
            step.spoken.append(record)


__all__ = ["CLIENT", "CLOSE", "CONNECT", "SERVER", "Attached", "FlightRecord", "Head", "Record", "Step"]
