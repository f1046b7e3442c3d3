"""Universal Binary JSON (ubjson.org, draft 12), as far as XGBoost writes it; bounded, and safe on any bytes.

Entry point: `decode`. Typed arrays come back as NumPy arrays. Nothing is allocated before the bytes that
would fill it are seen to be there.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import ArtifactError

MAX_DEPTH = 32
MAX_KEY_BYTES = 1_024

_FORMATS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_STRUCTS = {marker: struct.Struct(code) for marker, code in _FORMATS.items()}
_DTYPES = {marker: np.dtype(code) for marker, code in _FORMATS.items()}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_INTEGERS = (b"i", b"U", b"I", b"l", b"L")


def decode(data: bytes) -> Any:
    """One value: dict, list, NumPy array (typed arrays), str, int, float, bool or None.

    Raises ArtifactError, with the byte where it stopped making sense.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.position != len(data):
        raise reader.damaged(f"{len(data) - reader.position} bytes follow the end")
    return value


class _Reader:
    """A cursor over bytes: every read is checked against what is left."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def damaged(self, what: str) -> ArtifactError:
        return ArtifactError(f"not a readable UBJSON model: {what} at byte {self.position:,}")

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise self.damaged(f"it ends {end - len(self.data)} bytes too early")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.damaged(f"nested deeper than {MAX_DEPTH} levels")
        if marker in _STRUCTS:
            return self.number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in (b"S", b"C"):
            return self.text(self.length(self.take(1)) if marker == b"S" else 1)
        if marker == b"[":
            return self.array(depth)
        if marker == b"{":
            return self.object(depth)
        raise self.damaged(f"unknown marker {marker!r}")

    def number(self, marker: bytes) -> int | float:
        layout = _STRUCTS[marker]
        number: int | float = layout.unpack(self.take(layout.size))[0]
        return number

    def length(self, marker: bytes) -> int:
        if marker not in _INTEGERS:
            raise self.damaged(f"a length of type {marker!r}")
        size = int(self.number(marker))
        if not 0 <= size <= len(self.data) - self.position:
            raise self.damaged(f"a length of {size:,}, beyond the end of the file,")
        return size

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise self.damaged("text that is not UTF-8") from None

    def array(self, depth: int) -> list[Any] | NDArray[Any]:
        marker = self.take(1)
        if marker == b"$":
            return self.typed_array()
        if marker == b"#":
            size = self.length(self.take(1))
            return [self.value(self.take(1), depth + 1) for _ in range(size)]
        items = []
        while marker != b"]":
            items.append(self.value(marker, depth + 1))
            marker = self.take(1)
        return items

    def typed_array(self) -> NDArray[Any]:
        dtype = _DTYPES.get(kind := self.take(1))
        if dtype is None:
            raise self.damaged(f"an array of type {kind!r}")
        if self.take(1) != b"#":
            raise self.damaged("a typed array without a count")
        size = self.length(self.take(1))
        return np.frombuffer(self.take(size * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (marker := self.take(1)) != b"}":
            size = self.length(marker)
            if size > MAX_KEY_BYTES:
                raise self.damaged(f"a key of {size:,} bytes")
            key = self.text(size)
            if key in found:
                raise self.damaged(f"the key {key!r} twice")
            found[key] = self.value(self.take(1), depth + 1)
        return found
