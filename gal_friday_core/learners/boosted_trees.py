"""Gradient-boosted trees by XGBoost, and the proof that our compiled trees answer as it does. Training only."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xgboost
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.learners.base import Lesson
from gal_friday_core.trees import PackedTrees, read

PROBE_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """XGBoost's `hist` trees for a binary outcome."""

    settings: TrainingConfig

    @property
    def name(self) -> str:
        return "xgboost"

    @property
    def libraries(self) -> dict[str, str]:
        return {"xgboost": xgboost.__version__}

    def fit(self, lesson: Lesson, *, later: Lesson | None = None, rounds: int | None = None) -> "FittedTrees":
        """`Learner.fit`. A stopped fit keeps its best trees only, so that what is stored is what was judged."""
        settings = self.settings
        patience = settings.early_stopping_rounds
        matrix = _matrix(lesson, settings)
        if later is None or not patience:
            return FittedTrees(xgboost.train(parameters(settings), matrix, rounds or settings.trees))
        booster = xgboost.train(
            parameters(settings) | {"eval_metric": "logloss"}, matrix, rounds or settings.trees,
            evals=[(_matrix(later, settings, matrix), "later")],
            early_stopping_rounds=patience, verbose_eval=False,
        )  # fmt: skip
        return FittedTrees(booster[: booster.best_iteration + 1])


@dataclass(frozen=True, eq=False)
class FittedTrees:
    """A booster. Its own predictions are used while training: they are the bits that the packed trees give."""

    booster: xgboost.Booster

    @property
    def rounds(self) -> int:
        return int(self.booster.num_boosted_rounds())

    def margins(self, features: NDArray[np.float64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.booster.inplace_predict(
            features.astype(np.float32), predict_type="margin", validate_features=False
        )
        return found

    def files(self) -> dict[str, bytes]:
        return {artifact.MODEL: bytes(self.booster.save_raw("ubj"))}

    def served(self) -> PackedTrees:
        return self._packed

    def check(self, rows: NDArray[np.float64]) -> dict[str, int]:
        return check_bit_identity(self.booster, self._packed, rows[-PROBE_ROWS:])

    def importance(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scores = self.booster.get_score(importance_type="total_gain")
        gain = np.array([scores.get(f"f{column}", 0.0) for column in range(rows.shape[1])], np.float64)
        # Exact for trees: Lundberg and others, Consistent Individualized Feature Attribution, 2018.
        shares = self.booster.predict(xgboost.DMatrix(rows.astype(np.float32)), pred_contribs=True)
        return gain, np.abs(shares[:, :-1]).mean(axis=0, dtype=np.float64)

    @cached_property
    def _packed(self) -> PackedTrees:
        return read(self.files()[artifact.MODEL])


def parameters(settings: TrainingConfig) -> dict[str, object]:
    """The settings in XGBoost's own words."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": settings.depth,
        "max_bin": settings.bins,
        "eta": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.column_sample,
        "nthread": settings.threads,
        "seed": settings.seed,
        "verbosity": 0,
    }


def _matrix(
    lesson: Lesson, settings: TrainingConfig, bins_of: xgboost.QuantileDMatrix | None = None
) -> xgboost.QuantileDMatrix:
    # Handing weights over takes a twelfth of a small fit: not for weights that say nothing.
    weight = None if (lesson.weight == 1).all() else lesson.weight
    return xgboost.QuantileDMatrix(
        lesson.features.astype(np.float32),
        lesson.label,
        weight=weight,
        max_bin=settings.bins,
        nthread=settings.threads,
        ref=bins_of,
    )


def check_bit_identity(
    booster: xgboost.Booster, trees: PackedTrees, rows: NDArray[np.float64], seed: int = 0
) -> dict[str, int]:
    """Serve `rows`, random rows, rows on the splits' own thresholds and rows with unknowns, both ways.

    Returns how many rows were compared, and 0 `differing`: raises ArtifactError when a single bit differs.
    """
    rng = np.random.default_rng(seed)
    random = rng.normal(size=(PROBE_ROWS, trees.features)) * (1.0 + np.abs(rows).max(axis=0))
    probes = np.concatenate((rows, random, on_thresholds(trees, rows, rng), with_unknowns(rows, rng)))
    expected = booster.predict(xgboost.DMatrix(probes))
    differing = int((trees.probabilities(probes).view(np.int32) != expected.view(np.int32)).sum())
    if differing:
        raise ArtifactError(
            f"{differing:,} of {len(probes):,} predictions differ from XGBoost {xgboost.__version__}'s own: "
            "this version of XGBoost cannot be served; install the locked one"
        )
    return {"rows": len(probes), "differing": 0}


def on_thresholds(
    trees: PackedTrees, rows: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Copies of `rows` in which features take the very values that the trees split at."""
    changed = rows.copy()
    features = trees.split_features()
    splits = np.flatnonzero(features < trees.features)
    if not len(splits):
        return changed
    for _ in range(4):
        chosen = splits[rng.integers(0, len(splits), len(rows))]
        changed[np.arange(len(rows)), features[chosen]] = trees.nodes["threshold"][chosen]
    return changed


def with_unknowns(rows: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Copies of `rows` in which every fifth value or so is NaN."""
    changed = rows.copy()
    changed[rng.random(rows.shape) < 0.2] = np.nan
    return changed
