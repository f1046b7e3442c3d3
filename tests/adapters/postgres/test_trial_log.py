"""The memory of trials gives back every bit, counts nothing twice, and cannot be made to forget."""

from dataclasses import replace
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from gal_friday_adapters.postgres.connect import connect, url_parts
from gal_friday_adapters.postgres.roles import create_login
from gal_friday_adapters.postgres.trial_log import Question, TrialLog
from gal_friday_core.errors import StorageError
from gal_friday_core.search import Trial

QUESTION = Question("kraken:BTC-USD:5m", "label", "schema", "data")


def trial(depth=3, **changes):
    return Trial(
        **{
            "parameters": {"depth": depth, "learning_rate": 0.1 + 0.2}, "log_loss_gain": 1 / 3, "ratio": None,
            "first_day": 17_000, "returns": (0.0, -1e-300, 0.1 + 0.2), **changes,
        }
    )  # fmt: skip


def test_a_trial_comes_back_bit_for_bit(database_url):
    log = TrialLog(database_url)
    log.write(QUESTION, trial())
    assert log.read(QUESTION) == ([trial()], 0)


def test_the_same_trial_again_is_no_further_one(database_url):
    log = TrialLog(database_url)
    for _ in range(3):
        log.write(QUESTION, trial())
    log.write(QUESTION, trial(4))
    trials, failed = log.read(QUESTION)
    assert (len(trials), failed) == (2, 0)
    assert [one.id for one in trials] == sorted(one.id for one in trials)


def test_a_failed_trial_counts_until_it_succeeds(database_url):
    log = TrialLog(database_url)
    log.write_failed(QUESTION, trial(9).parameters, "nothing to learn from")
    assert log.read(QUESTION) == ([], 1)
    log.write(QUESTION, trial(9))
    assert log.read(QUESTION) == ([trial(9)], 0)


@pytest.mark.parametrize("part", ["series", "label_hash", "schema_hash"])
def test_trials_on_another_question_are_not_counted(database_url, part):
    log = TrialLog(database_url)
    log.write(replace(QUESTION, **{part: "another"}), trial())
    assert log.read(QUESTION) == ([], 0)


def test_trials_on_fewer_candles_count_on_once_each(database_url):
    log, earlier = TrialLog(database_url), replace(QUESTION, data_version="earlier")
    log.write(earlier, trial(3, first_day=1))
    log.write(earlier, trial(4, first_day=1))
    log.write_failed(earlier, trial(5).parameters, "nothing to learn from")
    log.write_failed(QUESTION, trial(4).parameters, "nothing to learn from")
    log.write(QUESTION, trial(3, first_day=2))
    trials, failed = log.read(QUESTION)
    assert {one.parameters["depth"]: one.first_day for one in trials} == {3: 2, 4: 1}
    assert failed == 1
    assert {one.first_day for one in log.read(earlier)[0]} == {1}


@pytest.mark.parametrize(
    "statement", ["delete from trial", "update trial set status = 'failed'", "truncate trial"]
)
def test_nothing_that_was_tried_is_forgotten(database_url, statement):
    log = TrialLog(database_url)
    log.write(QUESTION, trial())
    with connect(database_url) as connection, pytest.raises(psycopg.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert log.read(QUESTION) == ([trial()], 0)


def test_a_database_that_is_not_there_is_named():
    with pytest.raises(StorageError, match="nowhere"):
        TrialLog("postgresql://ada@127.0.0.1:1/nowhere").read(QUESTION)


def test_the_pipelines_login_may_remember_trials_and_the_engines_may_not(database_url, postgres):
    password, names = "a long enough password", {"pipeline": "trial writer", "engine": "trial reader"}
    parts = url_parts(database_url)
    place = f"/{parts['dbname']}?host={parts['host']}&port={parts['port']}"
    try:
        for role, name in names.items():
            create_login(database_url, name, password, role)
        urls = {role: f"postgresql://{quote(name)}:{quote(password)}@{place}" for role, name in names.items()}
        TrialLog(urls["pipeline"]).write(QUESTION, trial())
        assert TrialLog(urls["engine"]).read(QUESTION) == ([trial()], 0)
        with pytest.raises(StorageError, match="permission denied"):
            TrialLog(urls["engine"]).write(QUESTION, trial(4))
    finally:
        with connect(postgres.url("postgres")) as connection:
            for name in names.values():
                connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))
