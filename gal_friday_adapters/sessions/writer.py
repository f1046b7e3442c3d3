"""Writes a session beside the feed: a bounded queue, a thread of its own, parts that rotate.

`record` costs the feed well under a microsecond and never waits: where the disk is slower than the market,
records are dropped, counted, and the hole is written down as a `gap` record. What was written is readable
after at most `FLUSH_S`, whatever then ends the process.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from gal_friday_adapters.sessions.part import Part, Rotation
from gal_friday_adapters.sessions.records import GAP, Record
from gal_friday_core.errors import StorageError

FLUSH_S = 0.5
RETRY_S = 5.0
SLICE = 64
"""Records encoded at a time: between two slices the interpreter is free for the feed."""
QUEUE_BYTES = 64 << 20
_OVERHEAD = 120
"""Bytes that a queued record takes beyond its message."""
_NUMBERED = "part-" + 6 * "[0-9]" + ".*"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Counts so far. `failure` says why the disk refuses at present, None while it does not."""

    written: int
    dropped: int
    queued: int
    bytes: int
    parts: int
    failure: str | None


class SessionWriter:
    """One session into one folder, fed by one thread; a folder that has parts already is continued."""

    def __init__(
        self,
        folder: Path,
        *,
        rotation: Rotation | None = None,
        compress: bool = True,
        queue_bytes: int = QUEUE_BYTES,
        retry_s: float = RETRY_S,
    ) -> None:
        self.folder = folder
        self._rotation = rotation or Rotation()
        self._suffix = "jsonl.gz" if compress else "jsonl"
        self._queue_bytes = queue_bytes
        self._retry_s = retry_s
        self._queue: deque[Record] = deque()
        self._offered = self._refused = self._unnoted = 0  # the feeding thread's
        self._taken = self._written = self._lost = self._hole = 0  # the writing thread's
        self._finished_bytes = self._parts = 0
        self._last_part = 0
        self._failure: str | None = None
        self._part: Part | None = None
        self._wake = threading.Event()
        self._flushes: deque[threading.Event] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="session-writer", daemon=True)

    @property
    def counts(self) -> Recorded:
        part = self._part
        return Recorded(
            written=self._written,
            dropped=self.dropped,
            queued=len(self._queue),
            bytes=self._finished_bytes + (part.size if part else 0),
            parts=self._parts,
            failure=self._failure,
        )

    @property
    def dropped(self) -> int:
        """Records that were lost, to a full queue or to the disk."""
        return self._refused + self._lost

    @property
    def caught_up(self) -> bool:
        """Whether most of the queue is free and the disk takes records."""
        return self._failure is None and self._offered - self._taken < self._queue_bytes // 2

    def start(self) -> None:
        """Make the folder and begin. Raises StorageError where that cannot be."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            numbers = [int(path.name[5:11]) for path in self.folder.glob(_NUMBERED)]
        except OSError as error:
            raise StorageError(f"cannot record into {self.folder}: {error.strerror}") from error
        self._last_part = max(numbers, default=0)
        self._thread.start()

    def record(
        self,
        kind: str,
        ts_ns: int,
        message: bytes = b"",
        *,
        url: str = "",
        connection: int = 0,
        reason: str = "",
    ) -> None:
        """Queue one record, or drop and count it where the queue is full. From the feeding thread only."""
        if self._offered - self._taken > self._queue_bytes:
            self.lose()
            return
        if self._unnoted:
            self._put(Record(GAP, ts_ns, dropped=self._unnoted))
            self._unnoted = 0
        self._put(Record(kind, ts_ns, message, url, connection, reason))

    def lose(self) -> None:
        """Count a record that its feeder could not give; a `gap` stands in its place. From the feeding thread only."""
        self._refused += 1
        self._unnoted += 1

    def flush(self) -> None:
        """Return when all that was queued so far is on disk, or given up. Blocks: not for the feed's loop."""
        done = threading.Event()
        self._flushes.append(done)
        self._wake.set()
        while self._thread.is_alive() and not done.wait(FLUSH_S):
            pass

    def close(self) -> None:
        """Write what is queued, finish the part, end the thread. Blocks: not for the feed's loop."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _put(self, record: Record) -> None:
        self._offered += len(record.message) + _OVERHEAD
        self._queue.append(record)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            asked = len(self._flushes)
            self._drain()
            for _ in range(asked):
                self._flushes.popleft().set()
        self._drain()
        self._end_part()

    def _drain(self) -> None:
        while self._queue:
            records = [self._queue.popleft() for _ in range(min(SLICE, len(self._queue)))]
            self._taken += sum(len(record.message) + _OVERHEAD for record in records)
            try:
                self._store(records)
            except OSError as error:
                self._give_up(error, records)
        try:
            if self._part is not None:
                self._written += self._part.sync()
        except OSError as error:
            self._give_up(error, [])

    def _store(self, records: list[Record]) -> None:
        """A slice goes into one part: it rotates when the last record of the slice says so."""
        last_ns = records[-1].ts_ns
        if self._part is not None and self._part.is_over(last_ns, self._rotation):
            self._end_part()
        part = self._part or self._begin_part(records[0].ts_ns)
        part.write(records)
        self._failure = None

    def _begin_part(self, ts_ns: int) -> Part:
        self._last_part += 1
        path = self.folder / f"part-{self._last_part:06d}.{self._suffix}"
        part = self._part = Part(path, ts_ns, compress=path.suffix == ".gz")
        self._parts += 1
        if self._hole:
            part.write([Record(GAP, ts_ns, dropped=self._hole)])
            self._hole = 0
        return part

    def _end_part(self) -> None:
        part = self._part
        try:
            if part is not None:
                self._written += part.finish()
                self._finished_bytes += part.size
                self._part = None
        except OSError as error:
            self._give_up(error, [])

    def _give_up(self, error: OSError, records: list[Record]) -> None:
        """Abandon the part where it stands; after a pause the next attempt begins a new one."""
        reason = error.strerror or str(error)
        if self._failure is None:
            log.error("recording into %s fails: %s; dropping until it works again", self.folder, reason)
        self._failure = reason
        lost = len(records)
        if self._part is not None:
            lost = max(self._part.abandon(), lost)  # a slice that failed half-way is pending in its part
            self._finished_bytes += self._part.size
            self._part = None
        self._lost += lost
        self._hole += lost
        if not self._closing:
            self._wake.wait(self._retry_s)
