"""What two versions of models do not have in common."""

from collections.abc import Iterator, Mapping
from typing import Any

FACTS = (
    "model_type", "stage", "artifact", "schema_hash", "data_version", "code_version", "config_hash", "verdict",
    "metadata",
)  # fmt: skip
MISSING = None
"""Stands for what one of them does not know."""


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Two objects with the same keys, for `one` and for `other`, of what the registry's metadata of both says.

    `facts` by dotted path, `metrics` by name, `gates` of their certificates by name; only what differs.
    """
    sides: list[dict[str, Any]] = [{"model_id": one["model_id"]}, {"model_id": other["model_id"]}]
    for name, read in (("facts", _facts), ("metrics", _metrics), ("gates", _gates)):
        found = read(one), read(other)
        apart = [key for key in sorted(found[0].keys() | found[1].keys()) if _differ(key, *found)]
        for side, values in zip(sides, found, strict=True):
            side[name] = {key: values.get(key, MISSING) for key in apart}
    return sides


def _differ(key: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one.get(key, MISSING) != other.get(key, MISSING))


def _facts(model: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_leaves("", {name: model[name] for name in FACTS}))


def _metrics(model: Mapping[str, Any]) -> dict[str, Any]:
    return dict(model["metrics"])


def _gates(model: Mapping[str, Any]) -> dict[str, Any]:
    certificate = model["certificate"] or {"gates": []}
    return {
        gate["name"]: {name: gate[name] for name in ("value", "limit", "passed")}
        for gate in certificate["gates"]
    }


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(f"{path}.{name}" if path else name, inner)
