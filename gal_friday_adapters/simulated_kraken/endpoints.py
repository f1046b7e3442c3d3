"""Shared shape of the private calls: page sizes, time ranges, and what a handler gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_core.times import SECOND_NS

PAGE = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PrivateCall:
    """One authenticated request."""

    account: str
    fields: Fields
    now_ns: int


def page(call: PrivateCall, items: Sequence[T]) -> list[T]:
    """The page that `ofs` names."""
    offset = call.fields.optional_integer("ofs") or 0
    return list(items[max(offset, 0) : max(offset, 0) + PAGE])


def boundary_ns(fields: Fields, name: str, known: dict[str, int]) -> int | None:
    """`start` and `end`: unix seconds, or the id of something whose time then counts."""
    if name not in fields:
        return None
    text = fields.text(name)
    return known[text] if text in known else int(fields.number(name) * SECOND_NS)
