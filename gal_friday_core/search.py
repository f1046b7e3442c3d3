"""What a hyper-parameter search may try, what one trial shows, and what all trials together say about luck.

`suggest` draws settings, `attempt` walks them forward, `together` makes of recorded trials what the deflated
Sharpe ratio and the probability of overfitting ask for. Who draws, and where trials are kept, is decided
elsewhere.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import msgspec
import numpy as np

from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.daily import daily
from gal_friday_core.evidence.sharpe import Record
from gal_friday_core.evidence.trials import Trials
from gal_friday_core.learning import Fits, Fold
from gal_friday_core.progress import Progress, quiet
from gal_friday_core.scores import log_losses
from gal_friday_core.training import walk_folds
from gal_friday_core.training_set import TrainingSet

SHARED = 0.5
"""Share of a candidate's days that a trial must have been tested on as well, to have been another choice in them."""

NOT_LEARNT_WITH = {"workers", "search_trials", "search_objective", "scheduler", "scheduler_tls"}
"""Settings that change no model: two trials that differ in nothing else are the same trial."""


class Suggests(Protocol):
    """Draws a value for a name; optuna's trials do."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration that was walked forward, or run as a backtest. `returns`: net, by UTC day from `first_day`
    (since 1970) on.

    `log_loss_gain` over the recent base rate, None of a backtest; `ratio` the daily Sharpe ratio, None where returns
    never vary.
    """

    parameters: dict[str, Any]
    log_loss_gain: float | None
    ratio: float | None
    first_day: int
    returns: tuple[float, ...]

    @property
    def id(self) -> str:
        return trial_id(self.parameters)

    @property
    def end_day(self) -> int:
        """The day after the last."""
        return self.first_day + len(self.returns)

    def between(self, first: int, end: int) -> tuple[float, ...]:
        """Returns of the days [first, end), all of which it has."""
        return self.returns[first - self.first_day : end - self.first_day]

    def objective(self, name: Literal["log_loss_gain", "ratio"]) -> float:
        """What a search makes large; 0 where there is none: without a trade, or with equal days only."""
        return (self.log_loss_gain if name == "log_loss_gain" else self.ratio) or 0.0


def trial_id(parameters: dict[str, Any]) -> str:
    """sha256 over the settings of a trial: the same settings are the same trial, however often they are walked."""
    return hashlib.sha256(artifact.to_json(parameters)).hexdigest()


def parameters_of(settings: TrainingConfig) -> dict[str, Any]:
    """All settings that a model depends on."""
    return settings.model_dump(mode="json", exclude=NOT_LEARNT_WITH)


def suggest(draw: Suggests, settings: TrainingConfig) -> TrainingConfig:
    """The same settings with those drawn that the learner has to choose."""
    if settings.learner == "logistic":
        drawn: dict[str, float] = {"penalty": draw.suggest_float("penalty", 1e-2, 1e4, log=True)}
    else:
        drawn = {
            "depth": draw.suggest_int("depth", 2, 6),
            "learning_rate": draw.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "min_child_weight": draw.suggest_float("min_child_weight", 5.0, 500.0, log=True),
            "subsample": draw.suggest_float("subsample", 0.3, 1.0),
            "column_sample": draw.suggest_float("column_sample", 0.3, 1.0),
        }
        if not settings.early_stopping_rounds:
            drawn["trees"] = draw.suggest_int("trees", 30, 400, log=True)
    return settings.model_copy(update=drawn)


def attempt(
    data: TrainingSet, settings: TrainingConfig, progress: Progress = quiet, fits: Fits = map
) -> Trial:
    """Walk the settings forward. Raises DataError where a fold cannot be learnt."""
    return shown(data, settings, walk_folds(data, settings, progress, fits))


def shown(data: TrainingSet, settings: TrainingConfig, folds: list[Fold]) -> Trial:
    """The trial that these folds are."""
    results = [fold.result for fold in folds]
    record = daily(data.labels, results)
    gains = [
        log_losses(np.full(len(one.sample.label), one.recent_rate), one.sample.label)
        - log_losses(one.sample.probability, one.sample.label)
        for one in results
    ]
    try:
        ratio: float | None = Record.of(record.net_return).ratio
    except DataError:
        ratio = None
    return Trial(
        parameters=parameters_of(settings),
        log_loss_gain=float(np.concatenate(gains).mean()),
        ratio=ratio,
        first_day=record.first_day,
        returns=tuple(record.net_return.tolist()),
    )


def together(own: Trial, others: Iterable[Trial], failed: int = 0) -> Trials:
    """What was tried, `own` included and counted once; in the order of ids, so that it depends on nothing else.

    `failed` trials gave nothing, and count all the same. Returns are compared over the days that all have which share
    `SHARED` of `own`'s at least: other folds, or later candles, test other days. The rest are told `apart`.
    """
    known = {trial.id: trial for trial in others} | {own.id: own}
    trials = [known[identity] for identity in sorted(known)]
    compared = [trial for trial in trials if trial is own or _is_choice(own, trial)]
    first = max(trial.first_day for trial in compared)
    end = max(first, min(trial.end_day for trial in compared))
    same = [trial.between(first, end) for trial in compared]
    return Trials(
        count=len(trials) + failed,
        ratios=np.array([trial.ratio for trial in trials if trial.ratio is not None]),
        returns=np.array(same).T.copy(),
        apart=sum(
            bool(trial.returns) and trial is not own and not _is_choice(own, trial) for trial in trials
        ),
    )


def _is_choice(own: Trial, other: Trial) -> bool:
    """Whether it was tested on enough of the same days. Of one whose returns nobody kept, that cannot be said."""
    shared = min(own.end_day, other.end_day) - max(own.first_day, other.first_day)
    return shared > 0 and shared >= SHARED * len(own.returns)
