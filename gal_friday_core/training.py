"""From candles and features to a candidate model with its honest validation. Imports a learner: the engine never imports this.

`train` runs the whole way; the same candles, features, configuration and libraries give the same bytes.
Each walk-forward fold, and the final model, go through the same `learning.learn`: fit on the earlier part,
calibrate and find the break-even threshold on the later part, both purged of each other.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import numba
import numpy as np

from gal_friday_core import artifact
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config, TrainingConfig
from gal_friday_core.evidence.canary import Recompute
from gal_friday_core.evidence.measure import measure
from gal_friday_core.evidence.report import Evidence
from gal_friday_core.evidence.trials import ONE, Trials
from gal_friday_core.features.streams import FeatureTable, compute
from gal_friday_core.label_sets import label_set
from gal_friday_core.learners.choice import learner
from gal_friday_core.learning import Fits, Fold, Learnt, learn, walk
from gal_friday_core.predictor import TARGET, ModelMetadata, schema_document
from gal_friday_core.progress import Progress, quiet
from gal_friday_core.splits import Split, fit_and_calibration, walk_forward
from gal_friday_core.times import DAY_NS
from gal_friday_core.training_set import TrainingSet, assemble
from gal_friday_core.validation import ValidationReport, validate

PARITY_ROWS = 2_000


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A trained model before the registry knows it: its sealed files, and what they say."""

    files: dict[str, bytes]
    metadata: ModelMetadata
    report: ValidationReport
    evidence: Evidence

    @property
    def artifact_id(self) -> str:
        return artifact.artifact_id(self.files)

    @property
    def passed(self) -> bool:
        return self.report.verdict.passed

    @property
    def holdout_start_ns(self) -> int:
        """The open of the first bar that the model has not seen in any way."""
        return self.metadata.holdout_start_ns


def train(
    candles: Candles,
    table: FeatureTable,
    config: Config,
    progress: Progress = quiet,
    *,
    code_version: str = "unknown",
    trials: Trials = ONE,
    recompute: Recompute = compute,
) -> Candidate:
    """Label, validate walk-forward, and fit the final model on everything before the holdout.

    `trials` made before this configuration was chosen; `recompute` computes its features again, to look for
    leaks. Raises DataError when there is too little to learn from, in words that say what is missing.
    """
    progress("labels", 0, 1)
    data = assemble(candles, table, config)
    progress("labels", 1, 1)
    return train_on(data, config, progress, code_version=code_version, trials=trials, recompute=recompute)


def train_on(
    data: TrainingSet,
    config: Config,
    progress: Progress = quiet,
    *,
    code_version: str = "unknown",
    trials: Trials | Callable[[list[Fold]], Trials] = ONE,
    recompute: Recompute = compute,
    fits: Fits = map,
) -> Candidate:
    """`train`, from a training set that is made already. `fits` changes how long it takes, and nothing else.

    `trials` may be asked for once the folds are known, so that this configuration's own record is among them.
    """
    settings = config.training
    folds = walk_folds(data, settings, progress, fits)
    report = validate(
        [fold.result for fold in folds], config.gates, block_events=_block_events(data, config),
        seed=settings.seed, outcomes=data.outcomes(),
    )  # fmt: skip
    progress("model", 0, 1)
    learnt = final_model(data, settings, folds)
    progress("model", 1, 1)
    evidence = measure(
        data, config, folds, learnt, trials=trials(folds) if callable(trials) else trials, block_events=report.block_events, recompute=recompute,
        fits=fits, progress=progress,
    )  # fmt: skip
    return _candidate(data, config, learnt, report, evidence, code_version)


def walk_folds(
    data: TrainingSet, settings: TrainingConfig, progress: Progress = quiet, fits: Fits = map
) -> list[Fold]:
    """Every walk-forward fold, learnt and tested. Raises DataError when one has too little to learn from."""
    splits = walk_forward(
        data.labels.t0_ns[data.events], data.labels.t1_ns[data.events], folds=settings.folds,
        calibration_fraction=settings.calibration_fraction, embargo_ns=data.embargo_ns,
    )  # fmt: skip
    return walk_splits(data, settings, splits, progress, fits)


def walk_splits(
    data: TrainingSet,
    settings: TrainingConfig,
    splits: list[Split],
    progress: Progress = quiet,
    fits: Fits = map,
) -> list[Fold]:
    """Every split learnt and tested, in order: folds of a validation, or retrains of `splits.rolling`."""
    folds = []
    progress("folds", 0, len(splits))
    for fold in fits(partial(_walk, data, settings), splits):
        folds.append(fold)
        progress("folds", len(folds), len(splits))
    return folds


def _walk(data: TrainingSet, settings: TrainingConfig, split: Split) -> Fold:
    return walk(data, split, settings)


def final_model(data: TrainingSet, settings: TrainingConfig, folds: list[Fold]) -> Learnt:
    """Learnt from everything before the holdout, for as many rounds as the folds found best (their median)."""
    t0_ns, t1_ns = data.labels.t0_ns[data.events], data.labels.t1_ns[data.events]
    fit, calibration = fit_and_calibration(
        t0_ns, t1_ns, np.arange(len(t0_ns)), fraction=settings.calibration_fraction,
        embargo_ns=data.embargo_ns,
    )  # fmt: skip
    rounds = int(np.median([fold.learnt.fitted.rounds for fold in folds]))
    return learn(data, data.events[fit], data.events[calibration], settings, rounds=rounds)


def _block_events(data: TrainingSet, config: Config) -> int:
    """Bootstrap blocks span twice the horizon, or a day where that is longer: volatility comes in days."""
    bars = max(2 * config.barriers.horizon_bars, DAY_NS // Series.parse(data.series_key).interval_ns)
    return max(1, -(-bars // data.stride_bars))


def _candidate(  # noqa: PLR0917 - everything that a candidate is made of
    data: TrainingSet,
    config: Config,
    learnt: Learnt,
    report: ValidationReport,
    evidence: Evidence,
    code_version: str,
) -> Candidate:
    relevant = config.model_dump(
        mode="json",
        include={
            "barriers": True, "costs": True, "labels": True, "training": True, "validation": True, "gates": True,
        },
        exclude={"training": {"workers", "scheduler", "scheduler_tls"}},
    )  # fmt: skip
    labels = label_set(config)
    metadata = ModelMetadata(
        series=data.series_key,
        target=TARGET,
        schema_hash=data.schema.hash,
        entry_threshold=learnt.threshold,
        mean_win=learnt.mean_win,
        mean_loss=learnt.mean_loss,
        holdout_start_ns=data.holdout_start_ns,
        oos_quantiles=report.prediction_quantiles,
        label=labels.rule,
        label_set=labels.name,
        label_hash=labels.hash,
        feature_set=data.schema.name,
        primary=labels.primary,
        barriers=labels.barriers.model_dump(mode="json"),
        costs=relevant["costs"],
        data=_description(data, learnt),
        training=relevant["training"],
        seed=config.training.seed,
        config_hash=hashlib.sha256(artifact.to_json(relevant)).hexdigest(),
        code_version=code_version,
        libraries={
            "numba": numba.__version__, "numpy": np.__version__, **learner(config.training).libraries,
        },
        parity=learnt.fitted.check(data.features(data.events[-PARITY_ROWS:])),
    )  # fmt: skip
    files = artifact.seal(
        {
            **learnt.fitted.files(),
            artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(learnt.calibration)),
            artifact.FEATURES: artifact.to_json(schema_document(data.schema)),
            artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
            artifact.REPORT: artifact.to_json(report.to_dict()),
            artifact.EVIDENCE: evidence.to_bytes(),
        }
    )
    return Candidate(files, metadata, report, evidence)


def _description(data: TrainingSet, learnt: Learnt) -> dict[str, object]:
    """The data version: what went in, and how it was balanced."""
    return {
        "candles_sha256": data.candles_fingerprint,
        "candles": data.candle_rows,
        "first_ns": data.first_ns,
        "last_ns": data.last_ns,
        "labelled_bars": len(data.labels),
        "events": len(data.events),
        "fit_events": len(learnt.fit),
        "calibration_events": len(learnt.calibrated_on),
        "rounds": learnt.fitted.rounds,
        "winning_share": float(data.labels.label[data.events].mean()),
        "outcomes": data.outcomes(),
    }
