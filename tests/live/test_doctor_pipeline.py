"""The doctor looks at what the pipeline works with on other machines; workers that answer are in tests/assets/test_celery.py."""

import socket
import sys

import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.doctor import pipeline, rounds
from gal_friday_live.shared_settings import alike, differences

OWN = {"code": "1.0+gabc 0123", "Python": "3.11", "lake": "s3://desk/lake"}
LIKE = {**OWN, "places": 2, "busy": 1}


def test_workers_that_run_this_code_are_fine_with_their_places():
    found = pipeline.judged({"one@a": LIKE, "two@b": LIKE}, OWN, 4)
    assert (found.level, found.detail) == ("ok", "one@a, two@b: 4 places, 2 taken, all run this code")


@pytest.mark.parametrize(
    ("answers", "level", "said"),
    [
        ({}, "failure", "none answers"),
        ({"one@a": {**LIKE, "code": "0.9"}}, "failure", "one@a: code is 0.9, here 1.0+gabc 0123"),
        ({"one@a": {"error": "unknown command"}}, "failure", "one@a: code is not told"),
        ({"one@a": LIKE, "two@b": {**LIKE, "lake": "/lake"}}, "warning", "two@b: lake is /lake, here s3://"),
        ({"one@a": {**LIKE, "Python": "3.13"}}, "warning", "Python is 3.13, here 3.11"),
        ({"one@a": LIKE}, "warning", "4 runs may be sent at once to 2 places"),
    ],
)
def test_what_workers_tell_is_judged_with_what_to_do(answers, level, said):
    found = pipeline.judged(answers, OWN, 4)
    assert (found.level, said in found.detail, bool(found.fix)) == (level, True, True), found


def test_what_must_be_alike_is_this_code_and_every_shared_place(tmp_path):
    told = alike(Config.model_validate({"storage": {"data_dir": tmp_path, "lake": "s3://desk/lake"}}))
    assert told["lake"] == "s3://desk/lake"
    assert told["Python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert not list(differences(told, told))


def celery(url):
    return Config.model_validate({"dagster": {"launcher": "celery", "broker_url": url}})


def test_a_broker_that_is_away_or_says_nothing_is_one_line_without_its_password(monkeypatch):
    pytest.importorskip("redis")
    monkeypatch.setattr(pipeline, "PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        for there in (port, 1):
            url = f"redis://:hunter2@127.0.0.1:{there}/0"
            with pytest.raises(StorageError, match=f"127.0.0.1:{there} takes no message") as told:
                pipeline.broker_and_workers(celery(url), url)
            assert "hunter2" not in str(told.value)


def test_a_scheduler_that_nobody_guards_or_that_is_away_is_refused():
    with pytest.raises(ConfigError, match="plain TCP"):
        pipeline.scheduler("tcp://192.0.2.7:8786", ())


@pytest.mark.parametrize(
    ("sections", "names"),
    [
        ({}, set()),
        ({"dagster": {"broker_url": "redis://localhost"}}, set()),
        ({"dagster": {"launcher": "celery", "broker_url": "redis://localhost"}}, {"broker", "workers"}),
        ({"training": {"learner": "xgboost-dask", "scheduler": "tcp://127.0.0.1:1"}}, {"dask scheduler"}),
    ],
)
def test_only_what_is_configured_is_looked_at(sections, names):
    looks = rounds._of_pipeline(Config.model_validate(sections))
    assert {name for look in looks for name in look.names} == names
