"""Where a Parquet file keeps its columns, read from its last bytes: what need not be fetched of a file that is far away.

The footer is a Thrift structure in the compact protocol, before its length and four letters
(https://parquet.apache.org/docs/file-format/). Only what is used is understood; values are skipped by their type.
Entry point: `layout`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from gal_friday_core.spans import Span

LETTERS: Final = b"PAR1"
TRAILER: Final = 8
"""Bytes: the footer's length, and the letters."""
MOST_NESTED: Final = 16
INT64: Final = 2
"""The physical type of times and counts."""


class Chunk(NamedTuple):
    """One column of one row group: where its bytes are; of 64-bit integers also the least and the largest where kept."""

    column: str
    span: Span
    least: int | None
    largest: int | None


class Group(NamedTuple):
    """Rows that are stored together."""

    rows: int
    chunks: Sequence[Chunk]


def footer_span(size: int, tail: bytes) -> Span | None:
    """Where the footer and what follows it are in a file of `size` bytes that ends so; None if that is no Parquet file."""
    if len(tail) < TRAILER or tail[-4:] != LETTERS:
        return None
    start = size - TRAILER - int.from_bytes(tail[-TRAILER:-4], "little")
    return (start, size) if start >= len(LETTERS) else None


def layout(footer: bytes) -> list[Group] | None:
    """The row groups that a footer (with its trailer) tells of, in their order; None where it is not understood."""
    try:
        found = [_group(group) for group in _Reader(footer[:-TRAILER]).struct()[4]]
        return found if all(map(_is_possible, found)) else None
    except (AttributeError, LookupError, TypeError, ValueError):  # what is read of damage is of any type
        return None


def _is_possible(group: Group) -> bool:
    return group.rows >= 0 and all(0 < chunk.span[0] <= chunk.span[1] for chunk in group.chunks)


def _group(found: dict[int, Any]) -> Group:
    return Group(found[3], [_chunk(chunk[3]) for chunk in found[1]])


def _chunk(found: dict[int, Any]) -> Chunk:
    start = min(found[9], found.get(11) or found[9])  # the dictionary, where there is one, comes first
    kept = found.get(12, {}) if found[1] == INT64 else {}
    name = b".".join(found[3]).decode()
    return Chunk(name, (start, start + found[7]), _whole(kept.get(6)), _whole(kept.get(5)))


def _whole(value: bytes | None) -> int | None:
    return None if value is None else int.from_bytes(value, "little", signed=True)


class _Reader:
    """The compact protocol: structures become dictionaries by field number."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._depth = 0
        self._of: dict[int, Callable[[], Any]] = {
            1: lambda: True, 2: lambda: False, 3: self._byte, 4: self._signed, 5: self._signed, 6: self._signed,
            7: lambda: self._bytes(8), 8: lambda: self._bytes(self._unsigned()), 9: self._list, 10: self._list, 12: self.struct,
        }  # fmt: skip

    def struct(self) -> dict[int, Any]:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise ValueError("nested too deeply")
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            found[number] = self._of[head & 15]()
        self._depth -= 1
        return found

    def _list(self) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 != 15 else self._unsigned()
        kind = self._byte if head & 15 in (1, 2) else self._of[head & 15]
        return [kind() for _ in range(size)]

    def _signed(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)

    def _unsigned(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7

    def _byte(self) -> int:
        found = self._content[self._at]
        self._at += 1
        return found

    def _bytes(self, count: int) -> bytes:
        found = self._content[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("ends too early")
        self._at += count
        return found
