"""A candidate in the light of everything that was tried before it: search where it is asked for, train, remember.

Every configuration that is walked forward, in a search or on its own, is written to the trial log; the
candidate's evidence counts all of them, so that no repetition of the pipeline hides how often luck had a chance.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict

from gal_friday_adapters.postgres.trial_log import Question, TrialLog
from gal_friday_core import artifact
from gal_friday_core.config import Config, TrainingConfig
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.trials import Trials
from gal_friday_core.label_sets import label_set
from gal_friday_core.learners.base import Learner
from gal_friday_core.learners.choice import provide
from gal_friday_core.learning import Fits, Fold
from gal_friday_core.progress import Progress, quiet
from gal_friday_core.search import Suggests, attempt, parameters_of, shown, suggest, together
from gal_friday_core.training import Candidate, train_on
from gal_friday_core.training_set import TrainingSet


def _on_a_cluster(settings: TrainingConfig) -> Learner:
    from gal_friday_assets.dask_trees import DaskTrees  # a second of imports, for those who have a cluster

    return DaskTrees(settings)


provide("xgboost-dask", _on_a_cluster)


def make_candidate(
    data: TrainingSet, config: Config, database_url: str, progress: Progress = quiet, *, code_version: str
) -> Candidate:
    """Search if the configuration says so, then train the best settings, or those of the configuration.

    Raises DataError when there is too little to learn from, StorageError where the trials cannot be kept.
    """
    log, question = TrialLog(database_url), question_of(data, config)
    with side_by_side(config.training.workers) as fits:
        if config.training.search_trials:
            config = _searched(data, config, database_url, log, question, progress, fits)

        def tried(folds: list[Fold]) -> Trials:
            own = shown(data, config.training, folds)
            log.write(question, own)
            return together(own, *log.read(question))

        return train_on(data, config, progress, code_version=code_version, trials=tried, fits=fits)


def question_of(data: TrainingSet, config: Config) -> Question:
    """What all trials on these labels and features of this series answer."""
    return Question(data.series_key, label_set(config).hash, data.schema.hash, data.candles_fingerprint)


@contextmanager
def side_by_side(workers: int) -> Iterator[Fits]:
    """Fits in so many threads: training libraries let go of the interpreter while they fit."""
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(workers) as pool:
        yield pool.map


def _searched(  # noqa: PLR0917 - one caller, everything that it knows
    data: TrainingSet,
    config: Config,
    database_url: str,
    log: TrialLog,
    question: Question,
    progress: Progress,
    fits: Fits,
) -> Config:
    """The configuration with the best settings found. Optuna is imported by those who search."""
    from gal_friday_assets.parameter_search import search

    settings = config.training

    def evaluate(draw: Suggests) -> float:
        drawn = suggest(draw, settings)
        try:
            trial = attempt(data, drawn, fits=fits)
        except DataError as error:
            log.write_failed(question, parameters_of(drawn), str(error))
            raise
        log.write(question, trial)
        return trial.objective(settings.search_objective)

    # The study is that of everything it depends on but its length: a longer search goes on from a shorter one.
    asked = [asdict(question), parameters_of(settings), settings.search_objective]
    name = hashlib.sha256(artifact.to_json(asked)).hexdigest()
    best = search(
        database_url, name, evaluate, trials=settings.search_trials, seed=settings.seed, progress=progress
    )
    return config.model_copy(update={"training": settings.model_copy(update=best)})
