"""A linear model of log odds as the engine runs it: standardise, multiply and add, always in the same order.

`read_linear` reads the JSON that training wrote. One row and many rows run the same machine code.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.artifact import LINEAR_MODEL
from gal_friday_core.compiled import kept
from gal_friday_core.errors import ArtifactError

MAX_FEATURES = 4_095


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    mean: list[float]
    scale: list[float]
    weight: list[float]
    intercept: float


@dataclass(frozen=True, eq=False, slots=True)
class LinearModel:
    """log odds = intercept + Σ weight · (x − mean) / scale; arrays (features,)."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    intercept: float

    @property
    def features(self) -> int:
        return len(self.weight)

    def margin(self, values: NDArray[np.float64]) -> float:
        """Log odds of one row."""
        found: float = linear_row(self.mean, self.scale, self.weight, self.intercept, values)
        return found

    def margins(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log odds of each row of (rows, features)."""
        found: NDArray[np.float64] = linear_rows(
            self.mean, self.scale, self.weight, self.intercept, np.ascontiguousarray(matrix, np.float64)
        )
        return found


@kept
@njit(cache=True)
def linear_row(mean: Any, scale: Any, weight: Any, intercept: float, values: Any) -> float:
    """`LinearModel` of one row."""
    total = intercept
    for column in range(len(weight)):
        total += weight[column] * ((values[column] - mean[column]) / scale[column])
    return total


@kept
@njit(cache=True)
def linear_rows(mean: Any, scale: Any, weight: Any, intercept: float, matrix: Any) -> Any:
    """`linear_row` of every row."""
    found = np.empty(len(matrix))
    for row in range(len(matrix)):
        found[row] = linear_row(mean, scale, weight, intercept, matrix[row])
    return found


def read_linear(content: bytes) -> LinearModel:
    """Raises ArtifactError for bytes that are not such a model, or whose numbers do not fit together."""
    try:
        document = msgspec.json.decode(content, type=_Document)
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{LINEAR_MODEL}: {error}; register the model again from its training") from None
    mean, scale, weight = (np.array(part) for part in (document.mean, document.scale, document.weight))
    if document.kind != "logistic" or not 1 <= len(weight) == len(mean) == len(scale) <= MAX_FEATURES:
        raise ArtifactError(
            f"{LINEAR_MODEL}: not a logistic model of one weight, mean and scale for each feature"
        )
    if not (scale > 0).all():
        raise ArtifactError(f"{LINEAR_MODEL}: a scale that is not above zero")
    return LinearModel(mean, scale, weight, document.intercept)
