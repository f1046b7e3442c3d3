"""One file of a session: begun anew, appended to, never reopened."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gal_friday_adapters.sessions.records import Record, encode
from gal_friday_core.times import HOUR_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a part ends and the next begins: `max_bytes` on disk, or `max_age_ns` between its records."""

    max_bytes: int = 64 << 20
    max_age_ns: int = HOUR_NS


class Part:
    """Every method raises OSError where the disk refuses. `pending` records are not yet sure to be readable."""

    def __init__(self, path: Path, first_ns: int, *, compress: bool) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("xb", buffering=0)
        self._packer = zlib.compressobj(6, zlib.DEFLATED, 31) if compress else None
        self._first_ns = first_ns
        self.size = 0
        self.pending = 0

    def is_over(self, ts_ns: int, rotation: Rotation) -> bool:
        return self.size >= rotation.max_bytes or ts_ns - self._first_ns >= rotation.max_age_ns

    def write(self, records: list[Record]) -> None:
        self.pending += len(records)
        text = b"".join(map(encode, records))
        self._append(self._packer.compress(text) if self._packer else text)

    def sync(self) -> int:
        """Make what is pending readable even if this process ends now; how many records that were."""
        if self.pending and self._packer:
            self._append(self._packer.flush(zlib.Z_SYNC_FLUSH))
        return self._settled()

    def finish(self) -> int:
        """End the part properly and see it onto the disk; how many records were pending."""
        if self._packer:
            self._append(self._packer.flush())
        os.fsync(self._file.fileno())
        self._file.close()
        return self._settled()

    def abandon(self) -> int:
        """Leave it as it stands, or remove it if it holds nothing; how many records are lost with it."""
        self._file.close()
        if not self.size:
            self._path.unlink(missing_ok=True)
        return self._settled()

    def _settled(self) -> int:
        pending, self.pending = self.pending, 0
        return pending

    def _append(self, packed: bytes) -> None:
        view = memoryview(packed)
        while view:
            written = self._file.write(view)
            self.size += written
            view = view[written:]
