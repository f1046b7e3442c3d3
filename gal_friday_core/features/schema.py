"""What a feature vector means: names, units, warm-up and parameters, and a hash over all of that.

The hash travels with every table, model and prediction; a model refuses features of another hash.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `warmup` counts bars before it is finite; `source` says where the formula is defined."""

    name: str
    unit: str
    warmup: int
    source: str
    parameters: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class FeatureSchema:
    """A named feature set: its columns in order, and the revision of the kernel that computes them.

    `code` is the sha256 of an installed package's code that computes some of them; empty for what is built in.
    """

    name: str
    revision: int
    features: tuple[Feature, ...]
    code: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def warmup(self) -> int:
        """Bars after which every feature is finite."""
        return max(feature.warmup for feature in self.features)

    @cached_property
    def hash(self) -> str:
        """sha256 over name, revision, every column's definition and the code, where it is a package's."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """All of it, JSON-able."""
        told = asdict(self)
        if not self.code:
            del told["code"]
        return told

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each column stands."""
        return {name: place for place, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        return self.places[name]

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, eq=False, slots=True)
class FeatureVector:
    """One row of features: float64 values in schema order. NaN means not known, and no model sees it."""

    schema: FeatureSchema = field(repr=False)
    values: NDArray[np.float64]

    def __getitem__(self, name: str) -> float:
        return self.values.item(self.schema.places[name])

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self.schema.names, self.values.tolist(), strict=True)
