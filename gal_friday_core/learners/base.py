"""What every learner promises: the same lesson gives the same bytes, and what it serves says what it said in training."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.predictor import Served


@dataclass(frozen=True, eq=False, slots=True)
class Lesson:
    """Rows to learn from, in time order: `features` (n, f) complete, `label` (n,), `weight` (n,) of mean one."""

    features: NDArray[np.float64]
    label: NDArray[np.bool_]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(self.features[rows], self.label[rows], self.weight[rows])


class Fitted(Protocol):
    """A fit. `rounds`: how many steps of learning it kept, for a later fit of the same kind to take as many."""

    @property
    def rounds(self) -> int: ...

    def margins(self, features: NDArray[np.float64]) -> NDArray[np.floating]:
        """Log odds of (rows, features), the bits that `served` gives."""
        ...

    def files(self) -> dict[str, bytes]:
        """The model as the one file of an artifact that holds it: UBJSON or JSON, never code."""
        ...

    def served(self) -> Served:
        """The model as the engine runs it, read back from `files`."""
        ...

    def check(self, rows: NDArray[np.float64]) -> dict[str, int]:
        """`rows` compared, and 0 `differing` between `served` and the library. Raises ArtifactError where a bit differs."""
        ...

    def importance(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of each feature: what it gained in training, in the learner's own terms, and its mean absolute share
        of the log odds of `rows` (its SHAP value).
        """
        ...


class Learner(Protocol):
    """`name` as the configuration writes it; `libraries` that a fit's bytes depend on, with their versions."""

    @property
    def name(self) -> str: ...

    @property
    def libraries(self) -> dict[str, str]: ...

    def fit(self, lesson: Lesson, *, later: Lesson | None = None, rounds: int | None = None) -> Fitted:
        """Learn from `lesson`, both classes present.

        `later`, purged of the lesson, tells when to stop, where the configuration wants that; `rounds` says it
        outright. Neither is needed.
        """
        ...
