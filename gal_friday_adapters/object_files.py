"""Files as objects of a bucket: read whole or in parts, replaced by compare-and-swap on their tag, never locked.

A put that got no answer may have happened. So what is stored is looked at again before the next attempt, and a put
of what is there already counts as done.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Final

import stamina

from gal_friday_adapters.files import Change, Missing, Part
from gal_friday_adapters.object_store import Conflict, Held, NoPartError, ObjectStore, UnansweredError
from gal_friday_core.errors import StorageError
from gal_friday_core.spans import Span

AT_ONCE: Final = 8
"""Objects that are read at the same time: what a far server takes is waiting."""
ATTEMPTS: Final = 40
"""Of one swap: in each round of rivals one succeeds."""
PATIENCE_S: Final = 120.0
TAIL: Final = 32 << 10
"""Bytes at the end of an object that are asked for first: the footer of most tables, and small files as a whole."""
GAP: Final = 64 << 10
"""Bytes that nobody wants and that still cost less than one more request."""
MOST: Final = 0.75
"""Of an object: who wants more of it gets it whole, by one request."""


class ObjectFiles:
    """The port `Files` over a bucket."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def show(self, name: str) -> str:
        return self._store.show(name)

    def read(self, name: str) -> bytes | None:
        held = self._store.get(name)
        return None if held is None else held.content

    def sources(
        self, names: Sequence[str], missing: Mapping[str, Missing] | None = None
    ) -> list[Path | BytesIO | None]:
        wanted = [(missing or {}).get(name) for name in names]
        if len(names) < 2:
            return list(map(self._source, names, wanted))
        with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
            return list(pool.map(self._source, names, wanted))

    def change(self, name: str, change: Change) -> bool:
        tried: bytes | None = None
        rounds = stamina.retry_context(
            on=Conflict,
            attempts=ATTEMPTS,
            timeout=PATIENCE_S,
            wait_initial=0.01,
            wait_max=0.5,
            wait_jitter=0.05,
        )
        try:
            for attempt in rounds:
                with attempt:
                    held = self._store.get(name)
                    if tried is not None and held is not None and held.content == tried:
                        return True  # refused, since it had been done: the first answer was lost on the way
                    tried = change(None if held is None else held.content)
                    return self._swapped(name, held, tried)
        except Conflict:
            raise StorageError(
                f"{self.show(name)}: others change it all the time; nothing was stored"
            ) from None
        raise AssertionError  # pragma: no cover # the last attempt returns or raises

    def held(self, lock: str) -> AbstractContextManager[None]:
        del lock
        return nullcontext()

    def glob(self, pattern: str) -> list[str]:
        return list(self.stamps(pattern))

    def folders(self, folder: str) -> list[str]:
        return self._store.folders(folder)

    def stamps(self, pattern: str) -> dict[str, str]:
        """One question for all of them: a list tells the tags."""
        parts = pattern.split("/")
        folder = "/".join(takewhile(lambda part: "*" not in part, parts[:-1]))
        return {
            one.name: one.tag
            for one in sorted(self._store.listed(folder))
            if _fits(one.name.split("/"), parts)
        }

    def _source(self, name: str, missing: Missing | None) -> BytesIO | None:
        if missing is not None:
            try:
                return self._parts(name, missing)
            except NoPartError:
                pass  # whole, it is always of one moment
        held = self._store.get(name)
        return None if held is None else BytesIO(held.content)

    def _parts(self, name: str, missing: Missing) -> BytesIO | None:
        """What is wanted of an object, all of one version."""
        tail = self._store.tail(name, TAIL)
        if tail is None:
            return None
        part = Part(bytearray(tail.size), [])
        part.add(tail.size - len(tail.content), tail.content)
        while wanted := missing(part):
            if sum(end - start for start, end in wanted) > MOST * tail.size:
                wanted = [(0, tail.size)]
            for start, end in _joined(wanted):
                part.add(start, self._store.part(name, tail.tag, start, end))
        return BytesIO(part.content)

    def _swapped(self, name: str, held: Held | None, wanted: bytes | None) -> bool:
        if wanted is None or (held is not None and held.content == wanted):
            return False
        try:
            if held is None:
                self._store.create(name, wanted)
            else:
                self._store.swap(name, wanted, held.tag)
        except UnansweredError:
            now = self._store.get(name)
            if now is None or now.content != wanted:
                raise
        return True


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Those that are near each other as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= GAP:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _fits(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))
