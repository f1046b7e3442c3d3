"""The learner that the configuration names; only its own library is imported."""

from collections.abc import Callable

from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ConfigError
from gal_friday_core.learners.base import Learner

_ELSEWHERE: dict[str, Callable[[TrainingConfig], Learner]] = {}


def provide(name: str, made: Callable[[TrainingConfig], Learner]) -> None:
    """Name a learner that does not fit in this room, since it speaks to other machines."""
    _ELSEWHERE[name] = made


def learner(settings: TrainingConfig) -> Learner:
    """A learner with these settings. Raises ConfigError for one that nobody provides here."""
    if settings.learner in _ELSEWHERE:
        return _ELSEWHERE[settings.learner](settings)
    if settings.learner == "xgboost-dask":
        raise ConfigError("training.learner xgboost-dask is for the pipeline: train there")
    if settings.learner == "logistic":
        from gal_friday_core.learners.logistic import Logistic

        return Logistic(settings)
    from gal_friday_core.learners.boosted_trees import BoostedTrees

    return BoostedTrees(settings)
