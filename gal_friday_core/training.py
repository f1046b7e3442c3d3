"""From candles and features to a candidate model with its honest validation. Imports XGBoost: the engine never imports this.

`train` runs the whole way; the same candles, features, configuration and libraries give the same bytes.
Each walk-forward fold, and the final model, go through the same `_learn`: fit the trees on the earlier
part, calibrate and find the break-even threshold on the later part, both purged of each other.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numba
import numpy as np
import xgboost
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.calibration import Platt, fit_platt
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config, TrainingConfig
from gal_friday_core.errors import ArtifactError, DataError
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.labels import RULE, break_even
from gal_friday_core.predictor import TARGET, ModelMetadata, schema_document
from gal_friday_core.scores import OutOfSample, sequential_trades
from gal_friday_core.splits import Split, fit_and_calibration, walk_forward
from gal_friday_core.times import DAY_NS
from gal_friday_core.training_set import TrainingSet, assemble
from gal_friday_core.trees import PackedTrees, read
from gal_friday_core.validation import FoldResult, ValidationReport, validate

Progress = Callable[[str, int, int], None]
"""Called with a stage in plain words, how much of it is done, and of how much."""

PARITY_ROWS = 2_000


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A trained model before the registry knows it: its sealed files, and what they say."""

    files: dict[str, bytes]
    metadata: ModelMetadata
    report: ValidationReport

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


@dataclass(frozen=True, eq=False, slots=True)
class _Learnt:
    """One model of one window, with the rows it came from."""

    booster: xgboost.Booster
    trees: PackedTrees
    calibration: Platt
    threshold: float
    mean_win: float
    mean_loss: float
    fit: NDArray[np.int64]
    calibrated_on: NDArray[np.int64]


def quiet(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def train(
    candles: Candles,
    table: FeatureTable,
    config: Config,
    progress: Progress = quiet,
    *,
    code_version: str = "unknown",
) -> Candidate:
    """Label, validate walk-forward, and fit the final model on everything before the holdout.

    Raises DataError when there is too little to learn from, in words that say what is missing.
    """
    progress("labels", 0, 1)
    data = assemble(candles, table, config)
    progress("labels", 1, 1)
    return train_on(data, config, progress, code_version=code_version)


def train_on(
    data: TrainingSet, config: Config, progress: Progress = quiet, *, code_version: str = "unknown"
) -> Candidate:
    """`train`, from a training set that is made already."""
    settings = config.training
    t0_ns, t1_ns = data.labels.t0_ns[data.events], data.labels.t1_ns[data.events]
    splits = walk_forward(
        t0_ns, t1_ns, folds=settings.folds, calibration_fraction=settings.calibration_fraction,
        embargo_ns=data.embargo_ns,
    )  # fmt: skip
    results = []
    for number, split in enumerate(splits):
        progress("folds", number, len(splits))
        results.append(_fold(data, split, settings))
    progress("folds", len(splits), len(splits))
    report = validate(
        results, config.gates, block_events=_block_events(data, config), seed=settings.seed,
        outcomes=data.outcomes(),
    )  # fmt: skip
    progress("model", 0, 1)
    fit, calibration = fit_and_calibration(
        t0_ns,
        t1_ns,
        np.arange(len(t0_ns)),
        fraction=settings.calibration_fraction,
        embargo_ns=data.embargo_ns,
    )
    learnt = _learn(data, data.events[fit], data.events[calibration], settings)
    candidate = _candidate(data, config, learnt, report, code_version)
    progress("model", 1, 1)
    return candidate


def _fold(data: TrainingSet, split: Split, settings: TrainingConfig) -> FoldResult:
    """Learn from what comes before the test period; then predict each of its bars, and trade."""
    learnt = _learn(data, data.events[split.fit], data.events[split.calibration], settings)
    tested = data.events[split.test]
    bars = np.arange(tested[0], tested[-1] + 1)
    probability = learnt.calibration(learnt.trees.margins(data.features(bars)))
    labels = data.labels[bars]
    taken = sequential_trades(labels.t0_ns, labels.t1_ns, probability, learnt.threshold)
    at_event = tested - tested[0]
    window = np.concatenate((learnt.fit, learnt.calibrated_on))
    return FoldResult(
        sample=OutOfSample(
            t0_ns=labels.t0_ns[at_event],
            probability=probability[at_event],
            label=labels.label[at_event],
            base=np.full(len(tested), np.nan),
            trade_event=np.searchsorted(at_event, taken),
            trade_return=labels.net_return[taken],
        ),
        events=tested,
        trades=bars[taken],
        fit_events=len(learnt.fit),
        calibration_events=len(learnt.calibrated_on),
        window_rate=float(data.labels.label[window].mean()),
        recent_rate=float(data.labels.label[learnt.calibrated_on].mean()),
        threshold=learnt.threshold,
        mean_win=learnt.mean_win,
        mean_loss=learnt.mean_loss,
    )


def _learn(
    data: TrainingSet, fit: NDArray[np.int64], calibrate_on: NDArray[np.int64], settings: TrainingConfig
) -> _Learnt:
    """Trees from bars `fit`; calibration and break-even threshold from the later bars `calibrate_on`."""
    labels = data.labels.label
    wins = int(labels[fit].sum())
    if wins in (0, len(fit)):
        raise DataError(
            f"{data.series_key}: all {len(fit):,} trades of one training window ended alike "
            f"({'won' if wins else 'lost'}): use more history or fewer folds"
        )
    matrix = xgboost.QuantileDMatrix(
        data.features(fit).astype(np.float32), labels[fit], nthread=settings.threads
    )
    booster = xgboost.train(_parameters(settings), matrix, settings.trees)
    trees = read(bytes(booster.save_raw("ubj")))
    threshold, win, loss = break_even(data.labels.net_return[calibrate_on])
    calibration = fit_platt(trees.margins(data.features(calibrate_on)), labels[calibrate_on])
    return _Learnt(booster, trees, calibration, threshold, win, loss, fit, calibrate_on)


def _parameters(settings: TrainingConfig) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": settings.depth,
        "eta": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.column_sample,
        "nthread": settings.threads,
        "seed": settings.seed,
        "verbosity": 0,
    }


def _block_events(data: TrainingSet, config: Config) -> int:
    """Bootstrap blocks span twice the horizon, or a day where that is longer: volatility comes in days."""
    bars = max(2 * config.barriers.horizon_bars, DAY_NS // Series.parse(data.series_key).interval_ns)
    return max(1, -(-bars // data.stride_bars))


def _candidate(
    data: TrainingSet, config: Config, learnt: _Learnt, report: ValidationReport, code_version: str
) -> Candidate:
    relevant = config.model_dump(mode="json", include={"barriers", "costs", "training", "gates"})
    metadata = ModelMetadata(
        series=data.series_key,
        target=TARGET,
        schema_hash=data.schema.hash,
        entry_threshold=learnt.threshold,
        mean_win=learnt.mean_win,
        mean_loss=learnt.mean_loss,
        holdout_start_ns=data.holdout_start_ns,
        oos_quantiles=report.prediction_quantiles,
        label=RULE,
        barriers=relevant["barriers"],
        costs=relevant["costs"],
        data=_description(data, learnt),
        training=relevant["training"],
        seed=config.training.seed,
        config_hash=hashlib.sha256(artifact.to_json(relevant)).hexdigest(),
        code_version=code_version,
        libraries={
            "numba": numba.__version__, "numpy": np.__version__, "xgboost": xgboost.__version__,
        },
        parity=check_bit_identity(learnt.booster, learnt.trees, data.features(data.events[-PARITY_ROWS:])),
    )  # fmt: skip
    files = artifact.seal(
        {
            artifact.MODEL: bytes(learnt.booster.save_raw("ubj")),
            artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(learnt.calibration)),
            artifact.FEATURES: artifact.to_json(schema_document(data.schema)),
            artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
            artifact.REPORT: artifact.to_json(report.to_dict()),
        }
    )
    return Candidate(files, metadata, report)


def _description(data: TrainingSet, learnt: _Learnt) -> dict[str, object]:
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
        "winning_share": float(data.labels.label[data.events].mean()),
        "outcomes": data.outcomes(),
    }


def check_bit_identity(
    booster: xgboost.Booster, trees: PackedTrees, rows: NDArray[np.float64], seed: int = 0
) -> dict[str, int]:
    """Serve `rows`, random rows, rows on the splits' own thresholds and rows with unknowns, both ways.

    Returns how many rows were compared, and 0 `differing`: raises ArtifactError when a single bit differs.
    """
    rng = np.random.default_rng(seed)
    random = rng.normal(size=(PARITY_ROWS, trees.features)) * (1.0 + np.abs(rows).max(axis=0))
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
