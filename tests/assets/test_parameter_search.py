"""A search repeats itself, survives the death of its process, and forgets no trial."""

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from gal_friday_adapters.postgres.trial_log import TrialLog
from gal_friday_assets.candidates import make_candidate, question_of
from gal_friday_assets.parameter_search import search, studies
from gal_friday_core.errors import DataError
from gal_friday_core.training_set import assemble
from tests.assets.search_worker import quadratic
from tests.bounded import line_of
from tests.core.informed_market import CONFIG, market

WORKER = Path(__file__).with_name("search_worker.py")


def finished(url, name):
    """What was drawn for each finished trial, in order."""
    complete = (optuna.trial.TrialState.COMPLETE,)
    with studies(url) as kept:
        study = optuna.load_study(study_name=name, storage=kept)
        return [(trial.params, trial.value) for trial in study.get_trials(states=complete)]


def test_the_same_seed_draws_the_same_trials_and_finds_the_best_of_them(database_url):
    best = [search(database_url, f"{database_url}-{n}", quadratic, trials=14, seed=7) for n in (1, 2)]
    trials = finished(database_url, f"{database_url}-1")
    assert best[0] == best[1] == max(trials, key=lambda trial: trial[1])[0]
    assert trials == finished(database_url, f"{database_url}-2")
    assert len(trials) == 14


def test_a_finished_search_tries_nothing_again_and_a_longer_one_goes_on(database_url):
    name, calls = f"{database_url}-again", []

    def counted(draw):
        calls.append(draw)
        return quadratic(draw)

    first = search(database_url, name, counted, trials=5, seed=7)
    assert search(database_url, name, counted, trials=5, seed=7) == first
    assert len(calls) == 5
    search(database_url, name, counted, trials=8, seed=7)
    assert len(calls) == 8


def test_a_search_whose_process_was_killed_ends_as_one_that_was_not(database_url):
    killed, whole = f"{database_url}-killed", f"{database_url}-whole"
    worker = subprocess.Popen(
        [sys.executable, WORKER, database_url, killed, "12", "5"], stdout=subprocess.PIPE, text=True
    )
    begun = [line_of(worker.stdout).strip() for _ in range(6)]
    assert begun == ["0", "1", "2", "3", "4", "5"]
    worker.kill()
    worker.wait(60)
    worker.stdout.close()
    found = search(database_url, killed, quadratic, trials=12, seed=7)
    assert found == search(database_url, whole, quadratic, trials=12, seed=7)
    assert finished(database_url, killed) == finished(database_url, whole)


def test_two_processes_share_a_search(database_url):
    name = f"{database_url}-shared"
    command = [sys.executable, WORKER, database_url, name, "10"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [worker.communicate(timeout=120)[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert said[0][-1] == said[1][-1]
    numbers = [int(line) for lines in said for line in lines[:-1]]
    assert sorted(numbers) == list(range(len(numbers)))
    assert 10 <= len(numbers) <= 11


def test_settings_that_cannot_be_learnt_are_finished_trials_without_a_value(database_url):
    def picky(draw):
        found = quadratic(draw)
        if draw.suggest_int("depth", 2, 6) < 5:
            raise DataError("too shallow")
        return found

    assert search(database_url, f"{database_url}-picky", picky, trials=10, seed=7)["depth"] >= 5


def test_a_search_in_which_nothing_can_be_learnt_says_why(database_url):
    def hopeless(draw):
        quadratic(draw)
        raise DataError("use more history")

    with pytest.raises(DataError, match="none of 3 settings tried could be learnt: use more history"):
        search(database_url, f"{database_url}-hopeless", hopeless, trials=3, seed=7)


def searching(trials):
    return CONFIG.model_copy(
        update={"training": CONFIG.training.model_copy(update={"search_trials": trials})}
    )


@pytest.fixture(scope="module")
def data():
    return assemble(*market(6_000), CONFIG)


def test_a_candidate_knows_every_trial_and_twice_the_same_gives_the_same_bytes(data, database_url):
    first = make_candidate(data, searching(4), database_url, code_version="x")
    assert first.evidence.sharpe.trials == 4
    assert first.evidence.choice.strategies == 4
    assert first.metadata.training["depth"] in range(2, 7)
    again = make_candidate(data, searching(4), database_url, code_version="x")
    assert again.files == first.files
    trials, failed = TrialLog(database_url).read(question_of(data, CONFIG))
    assert (len(trials), failed) == (4, 0)
    chosen = max(trials, key=lambda trial: trial.log_loss_gain)
    assert chosen.parameters["depth"] == first.metadata.training["depth"]


def test_a_candidate_without_a_search_counts_those_before_it(data, database_url):
    alone = make_candidate(data, CONFIG, database_url, code_version="x")
    assert alone.evidence.sharpe.trials == 1
    assert make_candidate(data, CONFIG, database_url, code_version="x").files == alone.files
    deeper = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"depth": 4})})
    second = make_candidate(data, deeper, database_url, code_version="x")
    assert second.evidence.sharpe.trials == 2
    third = make_candidate(data, searching(3), database_url, code_version="x")
    assert third.evidence.sharpe.trials == 5
    assert third.metadata.training != alone.metadata.training
