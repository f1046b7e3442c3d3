"""Log lines in a file that is turned over at a size: `name.jsonl`, then `name.1.jsonl` and so on, oldest last."""

import os
from collections.abc import Sequence
from pathlib import Path

from gal_friday_core.errors import StorageError


class RotatingFile:
    """Lines appended to one file; at most `keep` older ones beside it. Only the owner may read them.

    A batch is written whole or, where the disk refuses, not at all: StorageError. Another process that
    turns the file over, or a person who moves it away, is noticed at the next batch.
    """

    def __init__(self, directory: Path, name: str, *, max_bytes: int, keep: int) -> None:
        self.path = directory / f"{name}.jsonl"
        self._older = [directory / f"{name}.{number}.jsonl" for number in range(1, keep + 1)]
        self._max_bytes = max_bytes
        self._descriptor: int | None = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Append each line with a newline. Raises StorageError; then nothing of it was written."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            descriptor = self._opened(len(data))
            size = os.fstat(descriptor).st_size
            try:
                self._all(descriptor, data)
            except OSError:
                os.truncate(descriptor, size)
                raise
        except OSError as error:
            self.close()
            raise StorageError(
                f"cannot write {self.path}: {error.strerror}; free or mount its disk"
            ) from error

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self, coming: int) -> int:
        if self._descriptor is not None and not self._is_current(self._descriptor):
            self.close()
        if self._descriptor is None:
            self._descriptor = self._open()
        size = os.fstat(self._descriptor).st_size
        if size and size + coming > self._max_bytes:
            self.close()
            self._turn_over()
            self._descriptor = self._open()
        return self._descriptor

    def _open(self) -> int:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _turn_over(self) -> None:
        chain = [self.path, *self._older]
        for newer, older in zip(chain[-2::-1], chain[:0:-1], strict=True):
            if newer.exists():
                newer.replace(older)
        if not self._older:
            self.path.unlink()

    @staticmethod
    def _all(descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
