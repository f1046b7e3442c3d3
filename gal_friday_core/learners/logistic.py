"""Logistic regression by scikit-learn on standardised features: the baseline that trees have to beat. Training only."""

from dataclasses import dataclass

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.learners.base import Lesson
from gal_friday_core.linear import LinearModel, read_linear

CONSTANT = 1e-12
"""A deviation smaller than this share of the mean is rounding: the feature never changed."""

TOLERANCE = 1e-9
"""The library adds in another order than the engine; further apart than rounding is another model."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """L2-regularised; Newton's method, which has no random choice. It needs no early stopping, and `later` is not used."""

    settings: TrainingConfig

    @property
    def name(self) -> str:
        return "logistic"

    @property
    def libraries(self) -> dict[str, str]:
        return {"scikit-learn": sklearn.__version__}

    def fit(
        self, lesson: Lesson, *, later: Lesson | None = None, rounds: int | None = None
    ) -> "FittedLogistic":
        del later, rounds
        mean, scale = standard(lesson)
        model = LogisticRegression(C=1.0 / self.settings.penalty, solver="newton-cholesky", tol=1e-8)
        model.fit((lesson.features - mean) / scale, lesson.label, sample_weight=lesson.weight)
        return FittedLogistic(mean, scale, model)


@dataclass(frozen=True, eq=False, slots=True)
class FittedLogistic:
    """`mean` and `scale` (features,). Margins are those of the served form, since that is what will be asked."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    model: LogisticRegression

    @property
    def rounds(self) -> int:
        return int(self.model.n_iter_[0])

    def margins(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.served().margins(features)

    def files(self) -> dict[str, bytes]:
        document = {
            "kind": "logistic",
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weight": self.model.coef_[0].tolist(),
            "intercept": float(self.model.intercept_[0]),
        }
        return {artifact.LINEAR_MODEL: artifact.to_json(document)}

    def served(self) -> LinearModel:
        return read_linear(self.files()[artifact.LINEAR_MODEL])

    def check(self, rows: NDArray[np.float64]) -> dict[str, int]:
        """Served from the stored form and by the library: equal but for rounding."""
        expected = self.model.decision_function((rows - self.mean) / self.scale)
        differing = int((np.abs(self.margins(rows) - expected) > TOLERANCE * (1 + np.abs(expected))).sum())
        if differing:
            raise ArtifactError(
                f"{differing:,} of {len(rows):,} predictions differ from scikit-learn {sklearn.__version__}'s own: "
                "this version cannot be served; install the locked one"
            )
        return {"rows": len(rows), "differing": 0}

    def importance(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weight = self.model.coef_[0]
        return np.abs(weight), np.abs((rows - self.mean) / self.scale * weight).mean(axis=0)


def standard(lesson: Lesson) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean and standard deviation of each feature, (features,); 1 for one that never changes."""
    mean = np.average(lesson.features, axis=0, weights=lesson.weight)
    scale = np.sqrt(np.average((lesson.features - mean) ** 2, axis=0, weights=lesson.weight))
    return mean, np.where(scale > CONSTANT * np.abs(mean), scale, 1.0)
