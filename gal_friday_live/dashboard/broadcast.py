"""One message to everybody who watches. Who is slow misses what is old, and holds up nobody."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

WAITING = 2
"""Messages that may wait for a listener; the oldest goes when a newer one comes."""


class Broadcast:
    """At most `most` listeners; a message is made once, whoever hears it."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._listeners: set[asyncio.Queue[str]] = set()
        self.arrived = asyncio.Event()
        """Set when a listener comes: whoever makes messages need not do so for nobody."""
        self.skipped = 0

    @property
    def listeners(self) -> int:
        """So many are here."""
        return len(self._listeners)

    @property
    def full(self) -> bool:
        """Whether another one is turned away."""
        return len(self._listeners) >= self._most

    @contextmanager
    def joined(self) -> Iterator["asyncio.Queue[str]"]:
        """What a listener takes its messages from."""
        queue: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self._listeners.add(queue)
        self.arrived.set()
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def send(self, message: str) -> None:
        """Never waits."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
                self.skipped += 1
            queue.put_nowait(message)
