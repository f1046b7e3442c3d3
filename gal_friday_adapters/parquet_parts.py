"""Which parts of a Parquet file hold the columns and rows that somebody wants, wherever the file is."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from gal_friday_adapters.files import Missing, Part
from gal_friday_adapters.parquet_footer import TRAILER, Chunk, Group, footer_span, layout
from gal_friday_core.spans import Span, missing


class Rows(NamedTuple):
    """Those whose value of a column of ascending whole numbers is in [first, end): all of them, and neighbours maybe."""

    column: str
    first: int
    end: int

    def chosen(self, groups: Sequence[Group]) -> slice:
        """The row groups, one after the other, in which such rows may be."""
        found = [place for place, group in enumerate(groups) if any(map(self._holds, group.chunks))]
        return slice(found[0], found[-1] + 1) if found else slice(0, 0)

    def _holds(self, chunk: Chunk) -> bool:
        if chunk.column != self.column:
            return False
        if chunk.least is None or chunk.largest is None:
            return True
        return chunk.least < self.end and self.first <= chunk.largest


def parts(columns: Sequence[str] | None, rows: Rows | None = None) -> Missing:
    """The bytes of these columns (None: of all) in these rows; of the whole file where its end is not understood."""

    def wanted(part: Part) -> list[Span]:
        size = len(part.content)
        span = footer_span(size, bytes(part.content[-TRAILER:]))
        if span is None:
            return missing(part.spans, (0, size))
        if unread := missing(part.spans, span):
            return unread
        groups = layout(bytes(part.content[slice(*span)]))
        if groups is None:
            return missing(part.spans, (0, size))
        chosen = groups if rows is None else groups[rows.chosen(groups)]
        spans = [
            chunk.span
            for group in chosen
            for chunk in group.chunks
            if columns is None or chunk.column in columns
        ]
        if any(end > size for _, end in spans):
            return missing(part.spans, (0, size))
        return [gap for span in spans for gap in missing(part.spans, span)]

    return wanted


def nothing_more(part: Part) -> list[Span]:
    """The footer alone: what was given with the columns."""
    return parts(())(part)


def place_of(source: Path | BytesIO, rows: Rows) -> tuple[int, int] | None:
    """The first of the chosen row groups' rows, and how many they are; None where the file does not say.

    Raises OSError where it cannot be read.
    """
    footer = _footer(source)
    groups = None if footer is None else layout(footer)
    if groups is None:
        return None
    chosen = rows.chosen(groups)
    before = sum(group.rows for group in groups[: chosen.start])
    return before, sum(group.rows for group in groups[chosen])


def _footer(source: Path | BytesIO) -> bytes | None:
    file = source.open("rb") if isinstance(source, Path) else BytesIO(source.getbuffer())
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER))
        span = footer_span(size, file.read())
        if span is None:
            return None
        file.seek(span[0])
        return file.read()
