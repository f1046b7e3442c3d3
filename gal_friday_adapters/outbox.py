"""What may be lost, but must never hold anybody up: a bounded queue, and one thread that writes it out in batches.

`put` costs an append and never waits. The thread tries again with growing pauses while the destination fails,
drops nothing that is queued, and refuses what comes when the queue is full; every refusal is counted.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from gal_friday_core.errors import DataError, StorageError

Item = TypeVar("Item")

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class OutboxCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Items offered = written + waiting + dropped (the queue was full) + rejected (the destination refused them)."""

    offered: int
    written: int
    waiting: int
    dropped: int
    rejected: int
    failures: int


class Outbox(Generic[Item]):
    """A queue of at most `limit` items in front of `write`, which takes a batch of them on the outbox's thread.

    `write` raises StorageError where it should be tried again, with nothing of the batch written, and DataError
    where the destination will never take the batch. `on_trouble(name, what)` is told on that thread when writing
    begins to fail, when it works again, and of rejected batches; it must not put into this outbox. `release` is
    called on it last, to close what `write` opened. Failures are followed by `pauses_s`, each success by `rest_s`.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Item]], None],
        *,
        limit: int,
        batch: int = 500,
        linger_s: float = 0.1,
        on_trouble: Callable[[str, str], None] | None = None,
        release: Callable[[], None] | None = None,
        pauses_s: Sequence[float] = PAUSES_S,
        rest_s: float = 0.0,
    ) -> None:
        self.name = name
        self._write = write
        self._limit = limit
        self._batch = batch
        self._linger_s = linger_s
        self._on_trouble = on_trouble
        self._release = release
        self._pauses_s = tuple(pauses_s)
        self._rest_s = rest_s
        self._items: deque[Item] = deque()
        self._wake = threading.Event()
        self._idle = True
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        # Each counter has one writer: callers count drops (under the interpreter's lock), the thread the rest.
        self._written = self._rejected = self._failures = self._dropped = self._told = 0

    @property
    def counts(self) -> OutboxCounts:
        waiting = len(self._items)
        return OutboxCounts(
            offered=self._written + self._rejected + self._dropped + waiting,
            written=self._written,
            waiting=waiting,
            dropped=self._dropped,
            rejected=self._rejected,
            failures=self._failures,
        )

    @property
    def thread_id(self) -> int | None:
        """Of the writing thread, so that what it logs itself can be told apart."""
        return None if self._thread is None else self._thread.ident

    def start(self) -> None:
        """Begin to write. What was put before is written too."""
        if self._thread is None:
            # A daemon: a destination that hangs cannot keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=f"outbox-{self.name}", daemon=True)
            self._thread.start()

    def put(self, item: Item) -> bool:
        """Queue an item; False where the queue is full, and the item is lost."""
        if len(self._items) >= self._limit or self._closing.is_set():
            self._dropped += 1
            return False
        self._items.append(item)
        if self._idle:
            self._wake.set()
        return True

    def hurry(self) -> None:
        """Take nothing more, and write what waits without resting; `close` waits for it."""
        self.start()
        self._closing.set()
        self._wake.set()

    def close(self, deadline_s: float) -> bool:
        """Write what waits, for at most so long; False where something could not be written, and was dropped."""
        self.hurry()
        assert self._thread is not None
        self._thread.join(deadline_s)
        lost = len(self._items)
        self._dropped += lost
        self._items.clear()
        return lost == 0

    def _run(self) -> None:
        try:
            self._write_all()
        finally:
            if self._release is not None:
                self._release()

    def _write_all(self) -> None:
        attempt = 0
        while self._gather(0.0 if attempt else self._linger_s):
            batch = list(islice(self._items, self._batch))
            try:
                self._write(batch)
            except StorageError as error:
                self._failures += 1
                if attempt == 0:
                    self._tell(f"cannot write, {len(self._items)} waiting: {error}")
                self._closing.wait(self._pauses_s[min(attempt, len(self._pauses_s) - 1)])
                attempt += 1
                if self._closing.is_set() and attempt > 1:
                    return
            except DataError as error:
                self._rejected += len(batch)
                self._take(len(batch))
                self._tell(f"{len(batch)} rejected: {error}")
                attempt = 0
            else:
                self._written += len(batch)
                self._take(len(batch))
                self._recovered(attempt)
                attempt = 0
                self._closing.wait(self._rest_s)

    def _gather(self, linger_s: float) -> bool:
        """Sleep until something waits, then a moment longer for company; False where all is written and closed."""
        while not self._items:
            self._idle = True
            if self._items:  # put between the look and the flag
                break
            if self._closing.is_set():
                return False
            self._wake.wait()
            self._wake.clear()
        self._idle = False
        if linger_s and len(self._items) < self._batch:
            self._closing.wait(linger_s)
        return True

    def _take(self, count: int) -> None:
        with suppress(IndexError):  # `close` gave up waiting, and dropped them
            for _ in range(count):
                self._items.popleft()

    def _recovered(self, attempts: int) -> None:
        lost = self._dropped - self._told
        if attempts or lost:
            self._told += lost
            self._tell(f"writes again after {attempts} failures; {lost} lost while the queue was full")

    def _tell(self, what: str) -> None:
        if self._on_trouble is not None:
            self._on_trouble(self.name, what)
