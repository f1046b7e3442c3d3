"""How a model is trained: the configuration section `training`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gal_friday_core.extensions.offers import unknown
from gal_friday_core.section import Section

BOOKS = ("book-v1", "candles-book-v1")
"""Sets that no stored bar gives: nothing is trained on them by the pipeline."""


class TrainingConfig(Section):
    learner: Literal["xgboost", "logistic", "xgboost-dask"] = Field(
        "xgboost",
        description="Boosted trees, logistic regression as the baseline that they have to beat, or boosted trees "
        "grown by a cluster, which are others",
    )
    scheduler: str | None = Field(
        None, description="xgboost-dask: tls://HOST:PORT of the dask scheduler, or tcp://127.0.0.1:PORT"
    )
    scheduler_tls: tuple[Path, ...] = Field(
        (), description="xgboost-dask: files of the authority, of the own certificate and of its key"
    )
    feature_set: str = Field(
        "candles-v1",
        description="What is learnt from: candles-v1, or a set of an installed package, named in features.sets too",
    )
    trees: int = Field(150, ge=1, le=5_000, description="Boosted trees, at most where fits stop early")
    early_stopping_rounds: int = Field(
        0,
        ge=0,
        le=1_000,
        description="A fold's fit stops after so many trees without a better log loss on its later, purged "
        "slice, and the final model takes the median of the folds' numbers; 0 never stops",
    )
    depth: int = Field(3, ge=1, le=12, description="Levels of each tree")
    learning_rate: float = Field(0.05, gt=0, le=1, description="Shrinkage of each tree")
    bins: int = Field(
        64,
        ge=8,
        le=1_024,
        description="Values at which a feature may be split; XGBoost's own 256 take twice as long",
    )
    min_child_weight: float = Field(
        100.0, ge=0, description="Least sum of second derivatives in a leaf: larger is smoother"
    )
    subsample: float = Field(0.5, gt=0, le=1, description="Share of events each tree sees")
    column_sample: float = Field(0.5, gt=0, le=1, description="Share of features each tree sees")
    penalty: float = Field(
        1.0, gt=0, description="logistic: strength of its L2 regularisation, on standardised features"
    )
    weights: Literal["uniqueness", "none"] = Field(
        "uniqueness",
        description="Each event counts as much as its trade shares no time with others, or all count alike",
    )
    calibration: Literal["platt", "isotonic"] = Field(
        "platt", description="How log odds become probabilities; isotonic asks for more events"
    )
    search_trials: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Settings that are tried before the best is trained; 0 trains those above. Every trial is "
        "remembered, and makes the deflated Sharpe ratio ask for more",
    )
    search_objective: Literal["log_loss_gain", "ratio"] = Field(
        "log_loss_gain",
        description="What the search makes large out of sample: gain of log loss, or the daily Sharpe ratio",
    )
    workers: int = Field(
        1, ge=1, le=64, description="Fits that run at the same time; the model does not depend on it"
    )
    threads: int = Field(
        1,
        ge=1,
        description="Part of the reproducibility contract: the same value gives the same bytes. "
        "On a busy machine more threads than free cores wait for each other and take ten times as long",
    )
    seed: int = Field(
        20_170_101,
        ge=0,
        description="Of every random choice: the same data and configuration give the same model bytes",
    )
    stride_bars: int = Field(
        5, ge=1, description="One training event every so many bars; closer where history is short"
    )
    folds: int = Field(5, ge=2, le=20, description="Walk-forward folds")
    embargo_bars: int = Field(
        60, ge=0, description="Bars left out between train and test, beyond label purging"
    )
    calibration_fraction: float = Field(
        0.2, gt=0, lt=0.5, description="Latest share of each train window, kept for calibration"
    )
    holdout_fraction: float = Field(
        0.10, gt=0, lt=0.5, description="Latest share of history that no model is trained on"
    )
    lookback_days: float = Field(
        0.0,
        ge=0,
        description="Learn from the latest so many days only, holdout included; 0 learns from all history",
    )
    min_events: int = Field(500, ge=100, description="Fewer labelled events than this refuse to train")

    @field_validator("feature_set")
    @classmethod
    def _is_of_bars(cls, value: str) -> str:
        problem = unknown("feature-set", value, "training.feature_set")
        if value in BOOKS:
            problem = f"training.feature_set {value} needs recorded books: use a set that bars alone give"
        if problem:
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _has_its_cluster(self) -> Self:
        if (self.learner == "xgboost-dask") != (self.scheduler is not None):
            raise ValueError(
                "training.learner xgboost-dask and training.scheduler are set together: no other learner has a cluster"
            )
        if len(self.scheduler_tls) not in {0, 3}:
            raise ValueError(
                "training.scheduler_tls names three files: of the authority, of the own certificate and of its key"
            )
        return self
