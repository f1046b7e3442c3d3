"""Trees that a cluster grows: served to the bit, repeated to the bit by as many workers, and told apart from local ones."""

import os
import signal
import time

import numpy as np
import pytest

from gal_friday_adapters.worker_pool import ANY_PORT
from gal_friday_assets import dask_trees
from gal_friday_assets.dask_trees import DaskTrees
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.learners import choice
from gal_friday_core.learners.base import Lesson
from gal_friday_core.learners.boosted_trees import BoostedTrees
from gal_friday_core.search import parameters_of
from tests.bounded import PATIENCE_S


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=0,
        scheduler_kwargs=ANY_PORT,
    ) as made:
        yield made


@pytest.fixture
def settings(cluster):
    return TrainingConfig(
        learner="xgboost-dask",
        scheduler=cluster.scheduler_address,
        trees=40,
        learning_rate=0.5,
        early_stopping_rounds=2,
    )


def lesson(rows=2_000, seed=0, columns=8):
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, columns))
    label = features[:, 0] + features[:, 1] * features[:, 2] + random.normal(size=rows) > 0
    weight = random.uniform(0.5, 1.5, rows)
    return Lesson(features, label, weight / weight.mean())


def score(fitted, of):
    """Area under the curve."""
    ranks = np.argsort(np.argsort(fitted.margins(of.features)))
    return (ranks[of.label].mean() - ranks[~of.label].mean()) / len(of) + 0.5


def test_a_cluster_grows_other_trees_of_the_same_foresight_and_the_same_ones_again(settings):
    learner, taught, later = DaskTrees(settings), lesson(), lesson(2_000, seed=1)
    one, again = (learner.fit(taught, later=later) for _ in range(2))
    assert one.files() == again.files()
    assert one.rounds == again.rounds < settings.trees
    assert one.check(later.features)["differing"] == 0
    here = BoostedTrees(settings).fit(taught, later=later)
    assert one.files() != here.files()
    assert score(one, later) == pytest.approx(score(here, later), abs=0.03)
    assert learner.fit(taught, rounds=5).rounds == 5


def test_a_model_says_which_learner_and_how_many_workers_made_it_and_not_where(settings):
    learner = DaskTrees(settings)
    assert learner.name == "xgboost-dask"
    assert learner.libraries["workers"] == "2"
    assert learner.libraries.keys() == {"xgboost", "distributed", "workers"}
    kept = parameters_of(settings)
    assert kept["learner"] == "xgboost-dask"
    assert not any(str(settings.scheduler) in str(value) for value in kept.values())


def test_a_worker_that_dies_in_a_fit_is_told_and_the_next_fit_works(settings, cluster, monkeypatch):
    whole, killed = dask_trees.Cluster.train, []

    def interrupted(self, *given, **options):
        monkeypatch.setattr(dask_trees.Cluster, "train", whole)
        address, victim = next(iter(self.client.run(os.getpid).items()))
        killed.append(address)
        os.kill(victim, signal.SIGKILL)
        return whole(self, *given, **options)

    monkeypatch.setattr(dask_trees, "SILENCE_S", 5)
    monkeypatch.setattr(dask_trees.Cluster, "train", interrupted)
    with pytest.raises(StorageError, match=r"did not finish the fit.*train again$") as caught:
        DaskTrees(settings).fit(lesson())
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    until(lambda: len(there := cluster.scheduler.workers) == 2 and killed[0] not in there)
    assert DaskTrees(settings).fit(lesson(), rounds=3).rounds == 3


def until(holds):
    """Wait for it, within reason."""
    last = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_cluster_that_is_not_there_or_not_safe_is_told():
    gone = TrainingConfig(learner="xgboost-dask", scheduler="tcp://10.0.0.7:8786")
    with pytest.raises(ConfigError, match="plain TCP"):
        DaskTrees(gone).fit(lesson(100))


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="set together"):
        TrainingConfig(learner="xgboost-dask")
    with pytest.raises(ValueError, match="set together"):
        TrainingConfig(scheduler="tls://there:8786")
    with pytest.raises(ValueError, match="three files"):
        TrainingConfig(learner="xgboost-dask", scheduler="tls://there:8786", scheduler_tls=("ca.pem",))


def test_only_the_pipeline_provides_it(monkeypatch, settings):
    monkeypatch.setattr(choice, "_ELSEWHERE", {})
    with pytest.raises(ConfigError, match="for the pipeline"):
        choice.learner(settings)
    choice.provide("xgboost-dask", DaskTrees)
    assert choice.learner(settings) == DaskTrees(settings)
    assert isinstance(choice.learner(TrainingConfig()), BoostedTrees)
