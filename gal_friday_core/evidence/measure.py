"""Everything that is measured about a candidate, in one place: `measure`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import Config
from gal_friday_core.evidence.canary import Recompute, look
from gal_friday_core.evidence.cross import cross_validate
from gal_friday_core.evidence.daily import daily
from gal_friday_core.evidence.explain import calibration_curve, importance
from gal_friday_core.evidence.quality import quality
from gal_friday_core.evidence.report import CalibrationBin, Canary, Evidence, Importance
from gal_friday_core.evidence.slices import slices
from gal_friday_core.evidence.stress import stressed
from gal_friday_core.evidence.track_record import choice, sharpe_family
from gal_friday_core.evidence.trials import Trials
from gal_friday_core.learning import Fits, Fold, Learnt
from gal_friday_core.progress import Progress, quiet, told
from gal_friday_core.scores import sequential_trades
from gal_friday_core.training_set import TrainingSet
from gal_friday_core.validation import FoldResult

S = TypeVar("S")
F = TypeVar("F")


def measure(
    data: TrainingSet,
    config: Config,
    folds: Sequence[Fold],
    final: Learnt,
    *,
    trials: Trials,
    block_events: int,
    recompute: Recompute,
    fits: Fits = map,
    progress: Progress = quiet,
) -> Evidence:
    """The evidence for the model `final`, whose procedure the walk-forward `folds` tested.

    `block_events`: length of a bootstrap block, in events. `progress` is told of every part.
    """
    results = [fold.result for fold in folds]
    record = daily(data.labels, results)
    trades = sum(len(result.trades) for result in results)
    events = sum(len(result.events) for result in results)
    block_trades = max(1, round(block_events * trades / events))
    part = partial(told, progress)
    return Evidence(
        days=record.days(),
        sharpe=sharpe_family(record.net_return, _passive(data, folds), trials, config.gates.confidence),
        choice=part("evidence: trials", lambda: choice(trials)),
        combinatorial=cross_validate(data, config, _counted(fits, progress, "evidence: paths")),
        stress=part("evidence: stress", lambda: stressed(data, config, results, record, block_trades)),
        slices=part("evidence: regimes", lambda: slices(data, results)),
        importance=part("evidence: features", lambda: _explained(data, config, folds, final)),
        calibration=_calibration(results),
        canary=part("evidence: leaks", lambda: _canary(data, config, folds, recompute)),
        quality=part("evidence: candles", lambda: quality(data.candles, config.gates.max_missing_share)),
    )


def _counted(fits: Fits, progress: Progress, stage: str) -> Fits:
    """The same fits, each told when it is done."""

    def run(fit: Callable[[S], F], splits: Iterable[S]) -> Iterator[F]:
        waiting = list(splits)
        progress(stage, 0, len(waiting))
        for done, found in enumerate(fits(fit, waiting), start=1):
            progress(stage, done, len(waiting))
            yield found

    return run


def _calibration(results: Sequence[FoldResult]) -> tuple[CalibrationBin, ...]:
    return calibration_curve(
        np.concatenate([result.sample.probability for result in results]),
        np.concatenate([result.sample.label for result in results]),
    )


def _canary(data: TrainingSet, config: Config, folds: Sequence[Fold], recompute: Recompute) -> Canary:
    return look(
        data,
        [(np.concatenate((fold.learnt.fit, fold.learnt.calibrated_on)), fold.bars) for fold in folds],
        rows=config.validation.canary_rows,
        seed=config.training.seed,
        max_auc=config.gates.max_feature_auc,
        recompute=recompute,
    )


def _passive(data: TrainingSet, folds: Sequence[Fold]) -> NDArray[np.float64]:
    """Daily returns of entering whenever there is no position: what these tests paid to anybody."""
    always = []
    for fold in folds:
        labels = data.labels[fold.bars]
        taken = sequential_trades(labels.t0_ns, labels.t1_ns, np.ones(len(labels)), 0.0)
        always.append(replace(fold.result, trades=fold.bars[taken]))
    return daily(data.labels, always).net_return


def _explained(
    data: TrainingSet, config: Config, folds: Sequence[Fold], final: Learnt
) -> tuple[Importance, ...]:
    """By the final model, over events spread evenly over all that was tested."""
    tested = np.concatenate([fold.result.events for fold in folds])
    chosen = np.unique(np.linspace(0, len(tested) - 1, config.validation.explained_rows).astype(np.int64))
    gain, contribution = final.fitted.importance(data.features(tested[chosen]))
    return importance(data.schema.names, gain, contribution)
