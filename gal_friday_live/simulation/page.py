"""The page of disk that is set aside for a halt, in memory: it outlives the engines of its world."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_core.errors import StorageError


class Page(HaltPage):
    """As the product's, but for the disk. `broken` takes nothing; what is there can be read."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent/simulated.halt"))
        self.broken = False
        self._kept = b""

    def prepare(self) -> None:
        """It is always there."""

    def read(self) -> dict[str, Any] | None:
        record: dict[str, Any] = msgspec.json.decode(self._kept) if self._kept else {}
        return record or None

    def write(self, record: Mapping[str, Any]) -> None:
        self._take(msgspec.json.encode(record))

    def _begin(self, write: Callable[[], None]) -> None:
        """A moment later, where the product has a thread."""
        asyncio.get_running_loop().call_later(0.001, write)

    def clear(self) -> None:
        self._take(b"")

    def _take(self, content: bytes) -> None:
        if self.broken:
            raise StorageError("cannot write the simulated page of a halt: Input/output error")
        self._kept = content
