"""The learner that the configuration names; only its own library is imported."""

from gal_friday_core.config import TrainingConfig
from gal_friday_core.learners.base import Learner


def learner(settings: TrainingConfig) -> Learner:
    """A learner with these settings."""
    if settings.learner == "logistic":
        from gal_friday_core.learners.logistic import Logistic

        return Logistic(settings)
    from gal_friday_core.learners.boosted_trees import BoostedTrees

    return BoostedTrees(settings)
