"""Combinatorial purged cross-validation of a whole procedure: learn, calibrate, test, on many paths through history."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.combinatorial import CombinatorialSplit, combinatorial
from gal_friday_core.evidence.daily import daily
from gal_friday_core.evidence.report import Combinatorial, Path
from gal_friday_core.evidence.slices import auc
from gal_friday_core.evidence.track_record import annual_ratio
from gal_friday_core.learning import Fits, learn, tested_on
from gal_friday_core.scores import log_losses
from gal_friday_core.splits import fit_and_calibration
from gal_friday_core.training_set import TrainingSet
from gal_friday_core.validation import FoldResult

Part = tuple[int, int, FoldResult]
"""Path, group, and what was seen there."""


def cross_validate(data: TrainingSet, config: Config, fits: Fits = map) -> Combinatorial:
    """Every path, or why there is none: history may be too short for so many cuts, where walk-forward is not."""
    groups, tested = config.validation.groups, config.validation.tested_groups
    if not tested:
        return Combinatorial(
            groups=groups, tested=0, splits=0, paths=(), losing_paths=None,
            about="left out (validation.tested_groups is 0)",
        )  # fmt: skip
    data = _thinned(data, config.validation.max_events)
    events = data.labels[data.events]
    try:
        splits = combinatorial(
            events.t0_ns, events.t1_ns, groups=groups, tested=tested, embargo_ns=data.embargo_ns
        )
        found = [part for parts in fits(partial(_judged, data, config), splits) for part in parts]
    except DataError as error:
        return Combinatorial(
            groups=groups, tested=tested, splits=0, paths=(), losing_paths=None, about=str(error)
        )
    paths = _paths(data, found)
    return Combinatorial(
        groups=groups,
        tested=tested,
        splits=len(splits),
        paths=paths,
        losing_paths=float(np.mean([path.total_net_return < 0 for path in paths])),
        about=f"{len(splits)} splits of {groups} stretches make {len(paths)} paths",
    )


def _thinned(data: TrainingSet, at_most: int) -> TrainingSet:
    """The same with every second event, or third, and so on: neighbours say almost the same, and fits are many."""
    step = -(-len(data.events) // at_most)
    return replace(data, events=data.events[::step])


def _judged(data: TrainingSet, config: Config, split: CombinatorialSplit) -> list[Part]:
    """Learn once, and test each of the split's groups."""
    events, settings = data.labels[data.events], config.training
    fit, calibration = fit_and_calibration(
        events.t0_ns, events.t1_ns, split.train, fraction=settings.calibration_fraction,
        embargo_ns=data.embargo_ns,
    )  # fmt: skip
    if not len(fit):
        raise DataError("purging leaves nothing to train on beside the calibration: use more history")
    learnt = learn(data, data.events[fit], data.events[calibration], settings)
    return [
        (split.paths[group], group, tested_on(data, learnt, data.events[rows]).result)
        for group, rows in split.tests.items()
    ]


def _paths(data: TrainingSet, parts: Sequence[Part]) -> tuple[Path, ...]:
    by_path: dict[int, list[tuple[int, FoldResult]]] = defaultdict(list)
    for path, group, result in parts:
        by_path[path].append((group, result))
    return tuple(
        _path(data, number, [result for _, result in sorted(by_path[path], key=lambda part: part[0])])
        for number, path in enumerate(sorted(by_path), start=1)
    )


def _path(data: TrainingSet, number: int, folds: list[FoldResult]) -> Path:
    probability = np.concatenate([fold.sample.probability for fold in folds])
    label = np.concatenate([fold.sample.label for fold in folds])
    base = np.concatenate([np.full(len(fold.events), fold.window_rate) for fold in folds])
    record = daily(data.labels, folds)
    return Path(
        number=number,
        events=len(label),
        log_loss_gain=float((log_losses(base, label) - log_losses(probability, label)).mean()),
        auc=auc(probability, label),
        trades=int(record.trades.sum()),
        total_net_return=float(record.net_return.sum()),
        annual_ratio=annual_ratio(record.net_return),
    )
