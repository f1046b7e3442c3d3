"""The points of a sweep: settings by their configuration keys, every combination of them, each validated.

An axis is written `KEY=V,V,…` or `KEY=FROM..TO:STEP`, both ends included. Only what a strategy or the risk check
decides by may be swept: costs, data and cash are not chosen, they are given.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from itertools import product
from typing import Any

import msgspec
from pydantic import ValidationError

from gal_friday_core.config import Config, Section
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.contracts import parameters_of
from gal_friday_core.extensions.in_use import in_use
from gal_friday_core.strategies.registry import STRATEGIES

EXTENSIONS = "extensions"
SHARED = ("strategy", "risk")
"""Sections that may be swept beside those of the strategies themselves."""
MOST_POINTS = 100_000
MOST_STEPS = 10_000

USUAL: Mapping[str, tuple[str, ...]] = {
    "threshold": ("strategy.margin=0..0.1:0.02",),
    "cost_and_volatility": (
        "cost_and_volatility.min_edge=0..0.002:0.0005",
        "cost_and_volatility.min_edge_to_risk=0,0.05,0.1,0.2",
    ),
    "ema_cross": ("ema_cross.fast=4..20:4", "ema_cross.slow=24..72:16"),
}
"""What is swept of a strategy where nobody says."""

Point = Mapping[str, Any]
"""A value for every axis, as JSON has it."""


class Axis(msgspec.Struct, frozen=True):
    """One configuration key, and the values that are tried, as text."""

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.key}={','.join(self.values)}"


class Grid(msgspec.Struct, frozen=True):
    """`points` in the order of the axes, the last one fastest; `refused` says why some combinations are none."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    refused: tuple[str, ...] = ()


def axis(text: str) -> Axis:
    """Read one axis. Raises ConfigError for another form, and for values that come twice.

    >>> axis("strategy.margin=0..0.1:0.05").values
    ('0.00', '0.05', '0.10')
    """
    key, equals, said = (part.strip() for part in text.partition("="))
    values = _steps(text, said) if ".." in said else tuple(value.strip() for value in said.split(","))
    if not equals or not key or not all(values):
        raise ConfigError(f"not an axis: {text!r}; write KEY=V,V,… or KEY=FROM..TO:STEP")
    if len(set(values)) < len(values):
        raise ConfigError(f"{key}: a value is given twice in {said!r}")
    return Axis(key, values)


def _steps(text: str, said: str) -> tuple[str, ...]:
    first, _, rest = said.partition("..")
    last, _, step = rest.partition(":")
    try:
        low, high, by = (Decimal(part.strip()) for part in (first, last, step))
    except InvalidOperation:
        low = high = by = Decimal("NaN")
    if not (low.is_finite() and high.is_finite() and by.is_finite() and by > 0 and high >= low):
        raise ConfigError(f"{text!r}: FROM..TO:STEP needs numbers, TO not below FROM, STEP above 0")
    count = int((high - low) / by) + 1
    if count > MOST_STEPS:
        raise ConfigError(f"{text!r}: {count:,} steps are more than {MOST_STEPS:,}; take a larger step")
    return tuple(str(low + by * number) for number in range(count))


def grid(base: Config, axes: Sequence[Axis]) -> Grid:
    """Every combination that the configuration accepts.

    Combinations that it refuses, such as a fast average slower than the slow one, are told and left out. Raises
    ConfigError where a key cannot be swept, where no combination is left, and where there are too many.
    """
    _checked(axes, base)
    points, refused = dict[str, Point](), list[str]()
    for values in product(*(one.values for one in axes)):
        wanted = {one.key: value for one, value in zip(axes, values, strict=True)}
        try:
            found = read_back(configured(base, wanted), wanted)
        except ConfigError as error:
            refused.append(str(error))
            continue
        points.setdefault(msgspec.json.encode(found).decode(), found)
    if not points:
        raise ConfigError(f"the configuration refuses every combination; first: {refused[0]}")
    return Grid(tuple(axes), tuple(points.values()), tuple(refused))


def _checked(axes: Sequence[Axis], base: Config) -> None:
    if not axes:
        raise ConfigError("nothing to sweep: give at least one axis, such as strategy.margin=0..0.1:0.02")
    allowed = sorted([*sweepable(), *of_packages(base)])
    for one in axes:
        if one.key not in allowed:
            near = [key for key in allowed if key.rpartition(".")[2] == one.key.rpartition(".")[2]]
            near = near or get_close_matches(one.key, allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"sections are {', '.join(_sections())}"
            raise ConfigError(f"{one.key} cannot be swept: {hint}")
    twice = {one.key for one in axes if sum(other.key == one.key for other in axes) > 1}
    if twice:
        raise ConfigError(f"{min(twice)} has two axes: give all its values in one")
    count = 1
    for one in axes:
        count *= len(one.values)
    if count > MOST_POINTS:
        raise ConfigError(f"{count:,} combinations are more than {MOST_POINTS:,}; give fewer values")


def _sections() -> list[str]:
    return [*SHARED, *(name for name in STRATEGIES if name in Config.model_fields)]


def sweepable() -> Iterator[str]:
    """Every key that may be an axis."""
    for section in _sections():
        kind = Config.model_fields[section].annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from (f"{section}.{name}" for name in kind.model_fields)


def of_packages(base: Config) -> Iterator[str]:
    """The same of what the configuration takes from installed packages."""
    for found in in_use(base):
        yield from (f"{EXTENSIONS}.{found.name}.{key}" for key in found.contents.parameters.model_fields)


def usual(strategy_id: str) -> tuple[str, ...]:
    """What is swept where nobody says. Raises ConfigError for a package's strategy, of which nobody here knows."""
    if strategy_id not in USUAL:
        raise ConfigError(
            f"name what is to be swept of strategy {strategy_id}: {EXTENSIONS}.{strategy_id}.KEY=V,V,…"
        )
    return USUAL[strategy_id]


def configured(base: Config, point: Point) -> Config:
    """The configuration with the values of one point. Raises ConfigError where it refuses them."""
    changed = dict[str, Any]()
    try:
        for section in sorted({key.partition(".")[0] for key in point} - {EXTENSIONS}):
            present: Section = getattr(base, section)
            values = {name: getattr(present, name) for name in type(present).model_fields}
            wanted = {key.partition(".")[2]: value for key, value in point.items() if _in(key, section)}
            changed[section] = type(present).model_validate({**values, **wanted})
        changed[EXTENSIONS] = _told_packages(base, point)
        return Config.model_validate({**dict(base), **changed})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{described(point)}: {where + ': ' if where else ''}{said}") from None


def _told_packages(base: Config, point: Point) -> Mapping[str, Mapping[str, Any]]:
    """`extensions` with the values of one point, each as its package takes it. Raises ConfigError where that refuses."""
    told = {name: dict(values) for name, values in base.extensions.items()}
    names = list[str]()
    for key, value in point.items():
        if _in(key, EXTENSIONS):
            _, name, parameter = key.split(".", 2)
            told.setdefault(name, {})[parameter] = value
            names.append(name)
    for name in dict.fromkeys(names):
        told[name] = _taken(name, told[name], base)
    return told


def _taken(name: str, values: Mapping[str, Any], base: Config) -> dict[str, Any]:
    """What a package makes of values that may be text."""
    kind = next(found.contents.parameters for found in in_use(base) if found.name == name)
    said = base.model_copy(update={EXTENSIONS: {name: values}})
    taken: dict[str, Any] = parameters_of(name, kind, said).model_dump(mode="json", include=set(values))
    return taken


def _in(key: str, section: str) -> bool:
    return key.partition(".")[0] == section


def read_back(config: Config, keys: Iterable[str]) -> dict[str, Any]:
    """The values that a configuration has under `keys`, as JSON has them."""
    found = dict[str, Any]()
    for key in keys:
        section, _, name = key.partition(".")
        if section == EXTENSIONS:
            package, _, parameter = name.partition(".")
            found[key] = config.extensions[package][parameter]
            continue
        found[key] = getattr(config, section).model_dump(mode="json")[name]
    return found


def described(point: Point) -> str:
    """A point in words.

    >>> described({"ema_cross.fast": 12, "risk.risk_per_trade": "0.01"})
    'fast 12, risk_per_trade 0.01'
    """
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in point.items())


def neighbours(found: Grid, place: int) -> list[int]:
    """Places of the points that are one step away from the one at `place`, on one axis."""
    ranks = {one.key: {value: rank for rank, value in enumerate(_seen(found, one.key))} for one in found.axes}
    here = [ranks[key][_text(value)] for key, value in found.points[place].items()]
    near = []
    for other, point in enumerate(found.points):
        there = [ranks[key][_text(value)] for key, value in point.items()]
        if sum(abs(one - two) for one, two in zip(here, there, strict=True)) == 1:
            near.append(other)
    return near


def _seen(found: Grid, key: str) -> list[str]:
    """The axis' values as points have them, in their order."""
    return list(dict.fromkeys(_text(point[key]) for point in found.points))


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
