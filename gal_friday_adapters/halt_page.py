"""A halt on one page of disk that was set aside beforehand: for when the database takes nothing any more.

Overwriting the page needs no room on a full disk and no server. The page is only ever a halt's: it is written
when one begins, and blank again once its end is in the journal.
"""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gal_friday_core.errors import StorageError

SIZE: Final = 4_096
_BLANK: Final = b" " * SIZE


class HaltPage:
    """The page of one account. Calls wait for the disk, so they belong into a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Set the page aside, unless it is there. Raises StorageError where it cannot be."""
        if self._path.exists() and self._path.stat().st_size == SIZE:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._overwrite(_BLANK, os.O_CREAT)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the name too must survive
            finally:
                os.close(folder)
        except OSError as error:
            raise StorageError(f"cannot set aside {self._path} for a halt: {error.strerror}") from error

    def write(self, record: Mapping[str, Any]) -> None:
        """Durable on return. Raises StorageError where the disk does not take it."""
        text = msgspec.json.encode(record)
        if len(text) > SIZE:
            text = msgspec.json.encode({**record, "reason": str(record.get("reason", ""))[: SIZE // 8]})
        self._save(text.ljust(SIZE))

    def write_aside(self, record: Mapping[str, Any], done: Callable[[StorageError | None], None]) -> None:
        """`write` in a thread that nobody waits for at the end: a disk that hangs must hold up neither. `done` is
        called there, with what went wrong.
        """

        def write() -> None:
            try:
                self.write(record)
            except StorageError as error:
                done(error)
            else:
                done(None)

        self._begin(write)

    def _begin(self, write: Callable[[], None]) -> None:
        threading.Thread(target=write, name="halt page", daemon=True).start()

    def clear(self) -> None:
        """The halt is over. Raises StorageError as `write` does."""
        self._save(_BLANK)

    def read(self) -> dict[str, Any] | None:
        """The halt that stands, or None. A page that cannot be read is a halt: nobody knows what it was."""
        try:
            text = self._path.read_bytes().strip()
            record: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any]) if text else {}
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return {"state": "HALTED", "reason": f"HALT_PAGE_UNREADABLE: {self._path}: {error}"}
        return record or None

    def _save(self, page: bytes) -> None:
        try:
            self._overwrite(page)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def _overwrite(self, page: bytes, flags: int = 0) -> None:
        handle = os.open(self._path, os.O_WRONLY | flags, 0o600)
        try:
            os.pwrite(handle, page, 0)
            os.fsync(handle)
        finally:
            os.close(handle)
