"""What installed packages offer, read from their entry points; nothing of theirs is imported here.

A package names what it offers in its own `pyproject.toml`, under a group of `GROUPS`. All names live in one space,
and none may be that of something built in or of another package's: whoever reads a name in a configuration, a journal
or a model must be able to tell whose code it was.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Literal

import msgspec

Kind = Literal["strategy", "feature-set", "exchange", "risk-rule"]

GROUPS: Mapping[Kind, str] = {
    "strategy": "gal_friday.strategies",
    "feature-set": "gal_friday.feature_sets",
    "exchange": "gal_friday.exchanges",
    "risk-rule": "gal_friday.risk_rules",
}
BUILT_IN: Mapping[Kind, tuple[str, ...]] = {
    "strategy": ("threshold", "cost_and_volatility", "ema_cross"),
    "feature-set": ("candles-v1", "book-v1", "candles-book-v1"),
    "exchange": ("kraken",),
    "risk-rule": (),
}
"""Names that no package may offer."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One name that an installed package offers. `target` is `module:attribute`; `problem` says why it cannot be used."""

    kind: Kind
    name: str
    distribution: str
    version: str
    target: str
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.distribution} {self.version}"


def offers(kind: Kind | None = None) -> tuple[Offer, ...]:
    """All that is offered, by kind and name; read anew where `sys.path` has changed."""
    found = _read(tuple(sys.path))
    return found if kind is None else tuple(offer for offer in found if offer.kind == kind)


def names(kind: Kind) -> tuple[str, ...]:
    """What may be named: built in, then offered without a problem."""
    return (*BUILT_IN[kind], *(offer.name for offer in offers(kind) if not offer.problem))


def unknown(kind: Kind, name: str, key: str) -> str:
    """Why `key` may not name this; empty where it may.

    >>> unknown("strategy", "momentum", "strategy.id")
    "unknown strategy 'momentum': strategy.id is one of threshold, cost_and_volatility, ema_cross"
    """
    offered = [offer for offer in offers(kind) if offer.name == name]
    if refused := next((offer.problem for offer in offered if offer.problem), ""):
        return refused
    if name in BUILT_IN[kind] or offered:
        return ""
    what = kind.replace("-", " ")
    return f"unknown {what} {name!r}: {key} is one of {', '.join(names(kind))}"


def origin(offer: Offer) -> tuple[Distribution | None, EntryPoint]:
    """The entry point behind an offer, and the package that has it."""
    for point in entry_points(group=GROUPS[offer.kind], name=offer.name):
        if _described(point)[0] == offer.distribution and point.value == offer.target:
            return point.dist, point
    raise LookupError(f"{offer} is not installed any more")


@lru_cache(maxsize=4)
def _read(path: tuple[str, ...]) -> tuple[Offer, ...]:
    del path  # what it found is found again under the same path only
    found = [
        Offer(kind=kind, name=point.name, distribution=name, version=version, target=point.value)
        for kind, group in GROUPS.items()
        for point in entry_points(group=group)
        for name, version in [_described(point)]
    ]
    distinct = {(offer.kind, offer.name, offer.distribution): offer for offer in reversed(found)}
    ordered = sorted(distinct.values(), key=lambda offer: (offer.kind, offer.name, offer.distribution))
    return tuple(_judged(ordered))


def _described(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the package that has it."""
    package = point.dist
    return (package.metadata["Name"], package.version) if package is not None else ("unknown", "0")


def _judged(found: Iterable[Offer]) -> list[Offer]:
    offered = list(found)
    often = Counter(offer.name for offer in offered)
    return [msgspec.structs.replace(offer, problem=_problem(offer, offered, often)) for offer in offered]


def _problem(offer: Offer, offered: list[Offer], often: Counter[str]) -> str:
    change = "rename its entry point, or uninstall the package"
    if not NAME.fullmatch(offer.name):
        return f"{offer}: a name is 1 to 40 of a-z, 0-9, _ and -, a letter first: {change}"
    if any(offer.name in built_in for built_in in BUILT_IN.values()):
        return f"{offer} has the name of something built in: {change}"
    if often[offer.name] > 1:
        others = ", ".join(sorted({str(other) for other in offered if other.name == offer.name}))
        return f"{offer.name!r} is offered more than once ({others}): keep one of them installed"
    return ""
