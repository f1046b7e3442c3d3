"""Logistic regression by scikit-learn on standardised features: the baseline that trees have to beat. Training only."""

from dataclasses import dataclass

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.learners.base import Lesson
from gal_friday_core.linear import LinearModel, read_linear

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
        scaler = StandardScaler().fit(lesson.features, sample_weight=lesson.weight)
        model = LogisticRegression(C=1.0 / self.settings.penalty, solver="newton-cholesky", tol=1e-8)
        model.fit(scaler.transform(lesson.features), lesson.label, sample_weight=lesson.weight)
        return FittedLogistic(scaler, model)


@dataclass(frozen=True, eq=False, slots=True)
class FittedLogistic:
    """The two scikit-learn objects; margins are those of the served form, since that is what will be asked."""

    scaler: StandardScaler
    model: LogisticRegression

    @property
    def rounds(self) -> int:
        return int(self.model.n_iter_[0])

    def margins(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.served().margins(features)

    def files(self) -> dict[str, bytes]:
        document = {
            "kind": "logistic",
            "mean": self.scaler.mean_.tolist(),
            "scale": self.scaler.scale_.tolist(),
            "weight": self.model.coef_[0].tolist(),
            "intercept": float(self.model.intercept_[0]),
        }
        return {artifact.LINEAR_MODEL: artifact.to_json(document)}

    def served(self) -> LinearModel:
        return read_linear(self.files()[artifact.LINEAR_MODEL])

    def check(self, rows: NDArray[np.float64]) -> dict[str, int]:
        """Served from the stored form and by the library: equal but for rounding."""
        expected = self.model.decision_function(self.scaler.transform(rows))
        differing = int((np.abs(self.margins(rows) - expected) > TOLERANCE * (1 + np.abs(expected))).sum())
        if differing:
            raise ArtifactError(
                f"{differing:,} of {len(rows):,} predictions differ from scikit-learn {sklearn.__version__}'s own: "
                "this version cannot be served; install the locked one"
            )
        return {"rows": len(rows), "differing": 0}
