"""Nonces of one API key: numbers that only grow, across threads, restarts, and clocks that are set back."""

import threading
from collections.abc import Callable
from pathlib import Path

from gal_friday_core.errors import StorageError

RESERVE = 60_000_000_000
"""Nonces written ahead at once: a minute's worth, so that the file is written about once a minute."""


class Nonces:
    """Nanoseconds of the clock, or one more than the last where the clock does not move.

    Kraken keeps the highest nonce of a key for ever: one key for one engine. With `file` the highest one that may
    have been used is kept, and a restart begins above it whatever the clock says.
    """

    def __init__(self, now_ns: Callable[[], int], file: Path | None = None) -> None:
        self._now_ns = now_ns
        self._file = file
        self._lock = threading.Lock()
        self._last = self._kept = _read(file) if file is not None else 0

    def next(self) -> int:
        """Strictly above every one given before. Raises StorageError where the file cannot be written."""
        with self._lock:
            nonce = max(self._last + 1, self._now_ns())
            if self._file is not None and nonce > self._kept:
                self._keep(self._file, nonce + RESERVE)
            self._last = nonce
            return nonce

    def _keep(self, file: Path, highest: int) -> None:
        temporary = file.with_suffix(".new")
        try:
            temporary.write_text(f"{highest}\n", encoding="ascii")
            temporary.replace(file)
        except OSError as error:
            raise StorageError(f"cannot keep the highest nonce in {file}: {error.strerror}") from error
        self._kept = highest


def _read(file: Path) -> int:
    try:
        text = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return 0
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read the highest nonce from {file}: {error}") from error
    if not text.isdigit():
        raise StorageError(f"{file} holds no nonce: remove it; the next begins with the clock")
    return int(text)
