"""Which limits a new configuration would loosen: what a running engine never takes over."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

import msgspec
from pydantic.fields import FieldInfo

from gal_friday_core.config import Config
from gal_friday_core.section import Section


class Change(msgspec.Struct, frozen=True):
    """One limit by its dotted key, in words of the configuration; "unset" is no limit at all."""

    key: str
    before: str
    after: str
    looser: bool


def limits(config: Config) -> Iterator[tuple[str, FieldInfo, Any]]:
    """Every limit: dotted key, definition and value."""
    for name in Config.model_fields:
        section = getattr(config, name)
        if isinstance(section, Section):
            for key, field in type(section).model_fields.items():
                if _looser(field) is not None:
                    yield f"{name}.{key}", field, getattr(section, key)


def changed_limits(before: Config, after: Config) -> list[Change]:
    """Each limit that differs, and whether the new one allows more.

    >>> changed_limits(Config(), Config.model_validate({"risk": {"max_spread": "0.02"}}))
    [Change(key='risk.max_spread', before='0.01', after='0.02', looser=True)]
    """
    found = []
    for (key, field, old), (_, _, new) in zip(limits(before), limits(after), strict=True):
        if old != new:
            found.append(Change(key, _shown(old), _shown(new), _rank(field, new) > _rank(field, old)))
    return found


def postponed(before: Config, after: Config) -> list[str]:
    """Every other key that differs: what waits for the next start.

    >>> postponed(Config(), Config.model_validate({"risk": {"max_spread": "0.02", "min_order_value": 9}}))
    ['risk.min_order_value']
    """
    return [key for key, old in _others(before) if old != dict(_others(after))[key]]


def only_limits(before: Config, after: Config) -> Config:
    """The old configuration with the new one's limits: all that may change while the engine runs."""
    sections = {key.partition(".")[0] for key, _, _ in limits(before)}
    changed = {}
    for name in sections:
        section = getattr(before, name)
        values = {
            key.partition(".")[2]: value for key, _, value in limits(after) if key.startswith(f"{name}.")
        }
        changed[name] = section.model_copy(update=values)
    return before.model_copy(update=changed)


def _others(config: Config) -> Iterator[tuple[str, Any]]:
    """Every key that is no limit, with its value."""
    for name in Config.model_fields:
        section = getattr(config, name)
        if not isinstance(section, Section):
            yield name, section
            continue
        for key, field in type(section).model_fields.items():
            if _looser(field) is None:
                yield f"{name}.{key}", getattr(section, key)


def _looser(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    found = extra.get("looser") if isinstance(extra, dict) else None
    return found if isinstance(found, str) else None


def _rank(field: FieldInfo, value: Any) -> Decimal:
    """Higher allows more. Words are ranked in the order in which their type lists them, the tightest first."""
    if value is None:
        rank = Decimal("Infinity")
    elif isinstance(value, str):
        rank = Decimal(get_args(field.annotation).index(value))
    else:
        rank = Decimal(str(value))
    return rank if _looser(field) == "up" else -rank


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)
