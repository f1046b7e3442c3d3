"""What an experiment is: decided once, before its first outcome, and never changed."""

from math import fsum
from typing import Any, Final, Literal

import msgspec

from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, GalFridayError

Mode = Literal["shadow", "split"]
Metric = Literal["net_return", "log_loss"]
State = Literal["CREATED", "RUNNING", "STOPPED", "COMPLETED"]

MOVES: Final[dict[State, tuple[State, ...]]] = {
    "CREATED": ("RUNNING", "STOPPED"),
    "RUNNING": ("STOPPED", "COMPLETED"),
    "STOPPED": (),
    "COMPLETED": (),
}
"""STOPPED: by a guard rail or by a person. COMPLETED: a winner was found, or its time is over."""
SHARES_TOLERANCE: Final = 1e-9


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model under a name; the first of a design is the control."""

    name: str
    model_id: str


class Guards(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a variant is stopped although nothing is won yet.

    `max_loss`: summed net returns of a variant that was served real moments, below which it is stopped.
    `silent_units`: so many of the others' units without one of its own, and it is dead. `mismatch_alpha`: error
    rate of finding traffic split otherwise than designed. `silent_hours`: no outcome at all for so long is told.
    """

    harm_alpha: float = 0.05
    max_loss: float = 0.05
    silent_units: int = 500
    mismatch_alpha: float = 0.001
    silent_hours: float = 24.0


class Design(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is settled before the start.

    `shadow`: every variant scores every moment, only production trades, outcomes are paired. `split`: each unit of
    `unit` (bar, hour or day of a pair) is served by one variant, and what its trades earned counts. `effect`: the
    difference a unit that is worth finding. `block` units make one mean. `shares` in the order of `variants`.
    """

    name: str
    series: str
    variants: tuple[Variant, ...]
    mode: Mode = "shadow"
    metric: Metric = "net_return"
    alpha: float = 0.05
    power: float = 0.8
    effect: float | None = None
    block: int | None = None
    most_units: int = 20_000
    unit: Literal["bar", "hour", "day"] = "bar"
    allocation: Literal["fixed", "thompson"] = "fixed"
    shares: tuple[float, ...] = ()
    floor: float = 0.05
    discount: float = 0.999
    paper_only: bool = True
    guards: Guards = Guards()

    @property
    def control(self) -> Variant:
        return self.variants[0]

    @property
    def challengers(self) -> tuple[Variant, ...]:
        return self.variants[1:]

    @property
    def each_alpha(self) -> float:
        """The error rate of each comparison with the control, so that all together keep `alpha` (Bonferroni)."""
        return self.alpha / len(self.challengers)

    def split(self) -> dict[str, float]:
        """Share by variant; even where none were given."""
        even = (1 / len(self.variants),) * len(self.variants)
        return dict(zip((item.name for item in self.variants), self.shares or even, strict=True))

    def index(self, name: str) -> int:
        """Raises ConfigError for a variant that the design does not have."""
        for place, variant in enumerate(self.variants):
            if variant.name == name:
                return place
        known = ", ".join(variant.name for variant in self.variants)
        raise ConfigError(f"experiment {self.name} has no variant {name!r}: it has {known}")


def design_of(config: dict[str, Any]) -> Design:
    """The design that a plain dictionary describes. Raises ConfigError that names the field and what it must be."""
    try:
        design = msgspec.convert(config, Design, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"experiment: {error}") from None
    for wrong in _faults(design):
        raise ConfigError(f"experiment {design.name or '(unnamed)'}: {wrong}")
    return design


def _faults(design: Design) -> list[str]:
    return [*_faults_of_variants(design), *_faults_of_numbers(design), *_faults_of_traffic(design)]


def _faults_of_variants(design: Design) -> list[str]:
    names = [variant.name for variant in design.variants]
    models = [variant.model_id for variant in design.variants]
    checks = {
        "name must not be empty": not design.name.strip(),
        "variants: two at least are compared, the first is the control": len(names) < 2,
        "variants: at most 10 are compared at once": len(names) > 10,
        f"variants: names must differ and not be empty, not {', '.join(names)}": len(set(names)) < len(names)
        or not all(name.strip() for name in names),
        f"variants: the same model twice ({', '.join(sorted({m for m in models if models.count(m) > 1}))}) "
        "can only tie: compare different models": len(set(models)) < len(models),
        f"series {design.series!r} is none: write it as kraken:BTC/USD:1m": not _is_series(design.series),
    }
    return [text for text, wrong in checks.items() if wrong]


def _faults_of_numbers(design: Design) -> list[str]:
    guards = design.guards
    checks = {
        "alpha must lie between 0 and 0.5": not 0 < design.alpha < 0.5,
        "power must lie between 0.5 and 1": not 0.5 < design.power < 1,
        "effect must be above 0: the difference a unit that is worth finding": design.effect is not None
        and not design.effect > 0,
        "block must be at least 1 unit": design.block is not None and design.block < 1,
        "most_units must be at least 1": design.most_units < 1,
        "guards: harm_alpha and mismatch_alpha must lie between 0 and 0.5": not (
            0 < guards.harm_alpha < 0.5 and 0 < guards.mismatch_alpha < 0.5
        ),
        "guards: max_loss, silent_units and silent_hours must be above 0": not (
            guards.max_loss > 0 and guards.silent_units > 0 and guards.silent_hours > 0
        ),
    }
    return [text for text, wrong in checks.items() if wrong]


def _faults_of_traffic(design: Design) -> list[str]:
    count = len(design.variants)
    checks = {
        f"shares: {len(design.shares)} for {count} variants": bool(design.shares)
        and len(design.shares) != count,
        "shares must each be above 0 and sum to 1": bool(design.shares)
        and (min(design.shares) <= 0 or abs(fsum(design.shares) - 1) > SHARES_TOLERANCE),
        "shares and allocation concern split traffic: a shadow experiment scores every variant at every moment": (
            design.mode == "shadow" and (bool(design.shares) or design.allocation != "fixed")
        ),
        "metric log_loss is of predictions: split traffic is judged by net_return": design.mode == "split"
        and design.metric != "net_return",
        f"floor must lie between 0 and one over the number of variants ({1 / max(count, 1):.3g})": not (
            0 < design.floor < 1 / max(count, 1)
        ),
        "discount must lie above 0.5 and not above 1": not 0.5 < design.discount <= 1,
    }
    return [text for text, wrong in checks.items() if wrong]


def _is_series(text: str) -> bool:
    try:
        Series.parse(text)
    except GalFridayError:
        return False
    return True
