"""One window of history learnt and tested: fit on its earlier part, calibrate on its later part, trade what comes after.

`learn` fits and calibrates, `walk` does so for one fold and tests it. Every model of this house comes from
`learn`: those of folds, of trials, of retrains and the final one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.calibration import Calibration, fit_calibration
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import DataError
from gal_friday_core.labels import break_even
from gal_friday_core.learners.base import Fitted, Lesson
from gal_friday_core.learners.choice import learner
from gal_friday_core.scores import OutOfSample, sequential_trades
from gal_friday_core.splits import Split
from gal_friday_core.training_set import TrainingSet
from gal_friday_core.validation import FoldResult

Bars = NDArray[np.int64]
"""Rows of a training set's labels."""

S = TypeVar("S")
F = TypeVar("F")


class Fits(Protocol):
    """Runs independent fits and gives their results in order: `map`, or that of a pool of threads."""

    def __call__(self, fit: Callable[[S], F], splits: Iterable[S], /) -> Iterator[F]: ...


@dataclass(frozen=True, eq=False, slots=True)
class Learnt:
    """One model of one window, with the bars it came from."""

    fitted: Fitted
    calibration: Calibration
    threshold: float
    mean_win: float
    mean_loss: float
    fit: Bars
    calibrated_on: Bars

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated, of (rows, features)."""
        return self.calibration(self.fitted.margins(features))


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """A tested window: `bars` (n,) consecutive, with their `probability` (n,), and what came of it."""

    learnt: Learnt
    bars: Bars
    probability: NDArray[np.float64]
    result: FoldResult


def lesson(data: TrainingSet, bars: Bars) -> Lesson:
    """What these events teach, each weighted by how much of it is its own."""
    weight = data.uniqueness[bars]
    return Lesson(data.features(bars), data.labels.label[bars], weight / weight.mean())


def learn(
    data: TrainingSet, fit: Bars, calibrate_on: Bars, settings: TrainingConfig, *, rounds: int | None = None
) -> Learnt:
    """A model from bars `fit`; calibration and break-even threshold from the later bars `calibrate_on`.

    With early stopping the later bars also say when to stop, unless `rounds` does. Raises DataError where all
    trades of either part ended alike.
    """
    lessons = lesson(data, fit)
    _require_both(data, lessons)
    later = lesson(data, calibrate_on) if settings.early_stopping_rounds and rounds is None else None
    fitted = learner(settings).fit(lessons, later=later, rounds=rounds)
    margins = fitted.margins(later.features if later else data.features(calibrate_on))
    threshold, win, loss = break_even(data.labels.net_return[calibrate_on])
    calibration = fit_calibration(settings.calibration, margins, data.labels.label[calibrate_on])
    return Learnt(fitted, calibration, threshold, win, loss, fit, calibrate_on)


def walk(data: TrainingSet, split: Split, settings: TrainingConfig) -> Fold:
    """Learn from what comes before the test period; then predict each of its bars, and trade."""
    learnt = learn(data, data.events[split.fit], data.events[split.calibration], settings)
    return tested_on(data, learnt, data.events[split.test])


def tested_on(data: TrainingSet, learnt: Learnt, tested: Bars) -> Fold:
    """Predict every bar from the first to the last of the events `tested`, and trade them."""
    bars = np.arange(tested[0], tested[-1] + 1)
    probability = learnt.probabilities(data.features(bars))
    labels = data.labels[bars]
    taken = sequential_trades(labels.t0_ns, labels.t1_ns, probability, learnt.threshold)
    at_event = tested - tested[0]
    sample = OutOfSample(
        t0_ns=labels.t0_ns[at_event],
        probability=probability[at_event],
        label=labels.label[at_event],
        base=np.full(len(tested), np.nan),
        trade_event=np.searchsorted(at_event, taken),
        trade_return=labels.net_return[taken],
    )
    window = np.concatenate((learnt.fit, learnt.calibrated_on))
    result = FoldResult(
        sample=sample,
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
    return Fold(learnt, bars, probability, result)


def _require_both(data: TrainingSet, lessons: Lesson) -> None:
    wins = int(lessons.label.sum())
    if wins in (0, len(lessons)):
        raise DataError(
            f"{data.series_key}: all {len(lessons):,} trades of one training window ended alike "
            f"({'won' if wins else 'lost'}): use more history or fewer folds"
        )
