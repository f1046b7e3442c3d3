"""Hyper-parameter search by optuna on PostgreSQL: any number of processes, none of whose trials is lost or forgotten.

`search` joins or begins the study of its name, and ends when the study has as many finished trials as asked for.
Which settings come n-th depends on the seed and on the n - 1 finished trials before: a search that was killed
and taken up again gives the trials of one that was not, as long as one process at a time works on it.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from gal_friday_adapters.postgres.connect import connect, ensure_database, sqlalchemy_url, url_parts
from gal_friday_core.errors import DataError
from gal_friday_core.progress import Progress, quiet
from gal_friday_core.search import Suggests

DATABASE = "{}_optuna"
"""Optuna keeps a migration table named like ours: it gets a database of its own beside the product's."""

HEARTBEAT_S = 20
GRACE_S = 60
RETRIES = 3
STARTUP_TRIALS = 10
"""Drawn at random before the sampler learns from what it saw."""

REFUSED = "refused"
"""Attribute of a trial that failed by itself: its settings cannot be learnt, and trying again would not help."""

Evaluate = Callable[[Suggests], float]


def search(
    database_url: str, name: str, evaluate: Evaluate, *, trials: int, seed: int, progress: Progress = quiet
) -> dict[str, Any]:
    """What was drawn for the best of `trials` finished trials of study `name`: largest `evaluate`, then earliest.

    A trial whose `evaluate` raises DataError is finished too, without a value. A trial whose process died is
    tried again: at once by the next process where no other is left, else after `GRACE_S`. Raises DataError when
    no trial has a value, StorageError where the server cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with studies(database_url) as kept:
        study = optuna.create_study(storage=kept, study_name=name, direction="maximize", load_if_exists=True)
        with _joined(database_url, study):
            _work(study, evaluate, trials, seed, progress)
        return dict(_best(study, trials).params)


@contextmanager
def studies(database_url: str) -> Iterator[RDBStorage]:
    """Where studies are kept, on the server of `database_url`; its connections are closed on leaving."""
    with _one_at_a_time(database_url), _experimental():
        beside = DATABASE.format(url_parts(database_url).get("dbname", ""))
        kept = RDBStorage(
            sqlalchemy_url(ensure_database(database_url, beside), "psycopg"),
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
        )
    try:
        yield kept
    finally:
        kept.remove_session()
        kept.engine.dispose()


@contextmanager
def _one_at_a_time(database_url: str) -> Iterator[None]:
    """Two processes that make optuna's tables at the same time stumble over each other."""
    with connect(database_url) as connection:
        connection.execute("select pg_advisory_lock(hashtext('gal-friday: tables of optuna'))")
        yield


@contextmanager
def _experimental() -> Iterator[None]:
    """Heartbeats and their retries are older than most of optuna, and still announced as experiments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _work(study: optuna.Study, evaluate: Evaluate, trials: int, seed: int, progress: Progress) -> None:
    def evaluated(trial: optuna.Trial) -> float:
        try:
            return evaluate(trial)
        except DataError as error:
            trial.set_user_attr(REFUSED, str(error))
            raise

    while (done := len(_finished(study))) < trials:
        progress("search", done, trials)
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + done, n_startup_trials=STARTUP_TRIALS, constant_liar=True
        )
        study.optimize(evaluated, n_trials=1, catch=(DataError,))
    progress("search", trials, trials)


@contextmanager
def _joined(database_url: str, study: optuna.Study) -> Iterator[None]:
    """Be known to work on the study, for as long as this process lives; who comes to an empty one takes up what was left."""
    name = hashlib.sha256(study.study_name.encode()).digest()
    key = (int.from_bytes(name[:8], "big", signed=True),)
    with connect(database_url) as connection:
        alone = connection.execute("select pg_try_advisory_lock(%s)", key).fetchone()
        if alone == (True,):
            _take_up_abandoned(study)
        connection.execute("select pg_advisory_lock_shared(%s)", key)
        if alone == (True,):
            connection.execute("select pg_advisory_unlock(%s)", key)
        yield


def _take_up_abandoned(study: optuna.Study) -> None:
    """With nobody else at work, a trial that is running was left by a process that died."""
    with _experimental():
        retry = RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        retry(study, study.trials[trial.number])


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """In the order of their numbers, without those whose process died."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in ended if trial.state is TrialState.COMPLETE or REFUSED in trial.user_attrs]


def _best(study: optuna.Study, trials: int) -> FrozenTrial:
    finished = _finished(study)[:trials]
    known = [(trial.value, -trial.number, trial) for trial in finished if trial.value is not None]
    if not known:
        raise DataError(
            f"none of {len(finished):,} settings tried could be learnt: {finished[0].user_attrs.get(REFUSED)}"
        )
    return max(known)[-1]
