"""Stretches of time as sorted, disjoint [start, end) pairs of nanoseconds."""

from collections.abc import Iterable

Span = tuple[int, int]


def union(*groups: Iterable[Span]) -> list[Span]:
    """Everything that any span covers; touching spans become one.

    >>> union([(0, 2), (5, 6)], [(2, 3)])
    [(0, 3), (5, 6)]
    """
    result: list[Span] = []
    for start, end in sorted(span for group in groups for span in group if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def missing(known: Iterable[Span], wanted: Span) -> list[Span]:
    """The parts of `wanted` that nothing in `known` covers.

    >>> missing([(2, 3), (5, 9)], (0, 7))
    [(0, 2), (3, 5)]
    """
    result: list[Span] = []
    cursor, end = wanted
    for start, stop in union(known):
        if stop <= cursor or start >= end:
            continue
        if start > cursor:
            result.append((cursor, start))
        cursor = max(cursor, stop)
    if cursor < end:
        result.append((cursor, end))
    return result


def covered(known: Iterable[Span], wanted: Span) -> bool:
    """True when nothing of `wanted` is missing."""
    return not missing(known, wanted)
