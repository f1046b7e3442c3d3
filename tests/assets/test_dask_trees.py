"""Trees that a cluster grows over TLS: served to the bit, repeated to the bit, judged as local ones, and told apart."""

import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from gal_friday_adapters.worker_pool import ANY_PORT
from gal_friday_adapters.worker_pool import cluster as connected
from gal_friday_assets import dask_trees
from gal_friday_assets.candidates import side_by_side
from gal_friday_assets.dask_trees import DaskTrees
from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig, ValidationConfig
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.gates import Outside, certify
from gal_friday_core.learners import choice
from gal_friday_core.learners.base import Lesson
from gal_friday_core.learners.boosted_trees import BoostedTrees
from gal_friday_core.predictor import Predictor
from gal_friday_core.search import parameters_of
from gal_friday_core.training import train, train_on
from gal_friday_core.training_set import assemble
from gal_friday_live.doctor import pipeline
from tests.authority import identity
from tests.bounded import PATIENCE_S
from tests.core.informed_market import CONFIG, market


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of the cluster's own authority, of a certificate and of its key."""
    return identity(tmp_path_factory.mktemp("desk") / "tls", "desk")


@pytest.fixture(scope="module")
def cluster(files):
    from distributed import LocalCluster
    from distributed.security import Security

    authority, certificate, key = map(str, files)
    roles = ("client", "scheduler", "worker")
    security = Security(
        require_encryption=True,
        tls_ca_file=authority,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="tls://127.0.0.1",
        security=security,
        dashboard_address=None,
        memory_limit=0,
        scheduler_kwargs=ANY_PORT,
    ) as made:
        yield made


@pytest.fixture
def settings(cluster, files):
    return TrainingConfig(
        learner="xgboost-dask",
        scheduler=cluster.scheduler_address,
        scheduler_tls=files,
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
    assert learner.libraries["threads_of_workers"] == "1, 1"
    assert learner.libraries.keys() == {"xgboost", "distributed", "workers", "threads_of_workers"}
    kept = parameters_of(settings)
    assert kept["learner"] == "xgboost-dask"
    assert not any(str(settings.scheduler) in str(value) for value in kept.values())


def test_a_whole_training_by_a_cluster_is_judged_like_one_of_this_machine_and_repeats_itself(
    settings, monkeypatch
):
    few = {"trees": 15, "folds": 2, "early_stopping_rounds": 3}
    validation = ValidationConfig(groups=3, tested_groups=1)
    here = CONFIG.model_copy(
        update={"validation": validation, "training": CONFIG.training.model_copy(update=few)}
    )
    there = {name: getattr(settings, name) for name in ("learner", "scheduler", "scheduler_tls")}
    far = here.model_copy(update={"training": here.training.model_copy(update=there)})
    monkeypatch.setitem(choice._ELSEWHERE, dask_trees.NAME, DaskTrees)
    given = market(8_000)
    near, grown = train(*given, here), train(*given, far)
    with side_by_side(2) as fits:
        assert train_on(assemble(*given, far), far, fits=fits).files == grown.files
    assert near.files.keys() == grown.files.keys()
    assert near.files[artifact.MODEL] != grown.files[artifact.MODEL]
    assert spans(near) == spans(grown)
    assert grown.report.pooled.auc.value == pytest.approx(near.report.pooled.auc.value, abs=0.02)
    assert [day.date for day in grown.evidence.days] == [day.date for day in near.evidence.days]
    assert len(grown.evidence.combinatorial.paths) == len(near.evidence.combinatorial.paths) == 1
    assert grown.metadata.data | {"rounds": 0} == near.metadata.data | {"rounds": 0}
    gates, others = (certify(one.files, here.gates, Outside()).gates for one in (near, grown))
    assert [(gate.name, gate.limit, gate.passed) for gate in gates] == [
        (gate.name, gate.limit, gate.passed) for gate in others
    ]
    served = Predictor.from_files(grown.files, model_id="m@v1", model_type="m", version=1)
    assert served.metadata.libraries["workers"] == "2"
    assert b"pem" not in b"".join(grown.files.values())


def spans(candidate):
    """What each fold learnt from, calibrated on and was tested on."""
    return [
        (fold.test_start, fold.test_end, fold.fit_events, fold.calibration_events, fold.scores.events)
        for fold in candidate.report.folds
    ]


def test_shares_go_to_the_workers_in_the_order_of_their_ranks_whatever_their_ports():
    there = {
        "tls://a:40000": {"name": 1},
        "tls://a:41000": {"name": 0},
        "tls://a:9000": {"name": 10},
        "tls://a:5000": {"name": 2},
    }
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"workers": there})
    found = [there[address]["name"] for address in dask_trees._addresses(client)]
    assert found == [0, 10, 1, 2]  # as texts, which is how the library ranks them


@pytest.mark.parametrize("wrong", ["authority", "certificate"])
def test_a_stranger_on_either_side_of_the_line_is_told_at_once(settings, files, tmp_path, wrong):
    other = identity(tmp_path / "tls", "somebody else")
    mixed = (other[0], *files[1:]) if wrong == "authority" else (files[0], *other[1:])
    with pytest.raises(
        StorageError, match=r"no scheduler answers.*is its certificate by .*ca\.pem"
    ) as caught:
        DaskTrees(settings.model_copy(update={"scheduler_tls": mixed})).fit(lesson(100))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_what_they_are_given_for_are_told_before_anything_is_sent(files, tmp_path):
    def told(tls, pattern):
        with pytest.raises(ConfigError, match=pattern), connected("tls://127.0.0.1:9", tls):
            raise AssertionError

    ca, certificate, key = files
    other = identity(tmp_path / "other", "other")
    locked = identity(tmp_path / "locked", "locked", b"a passphrase")
    told((ca, certificate, tmp_path / "none.pem"), r"key for the scheduler: cannot read .*none\.pem")
    told((tmp_path / "none.pem", certificate, key), r"none\.pem: not the certificate of an authority")
    told((key, certificate, key), r"node-key\.pem: not the certificate of an authority")
    told((ca, certificate, other[2]), r"not a certificate and its key.*mismatch")
    told(locked, "without a passphrase")
    other[2].chmod(0o644)
    told(other, "chmod 600")


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


def test_the_doctor_counts_the_workers_behind_a_scheduler(settings):
    (found,) = pipeline.scheduler(settings.scheduler, settings.scheduler_tls)
    assert found.level == "ok"
    assert found.detail.endswith(": 2 workers, 2 threads, all run this code")
