"""The test button: every destination tried, each told how it fared, and no address shown."""

import json

import pytest
from typer.testing import CliRunner

from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.alerts import NOT_DELIVERED, app
from tests.adapters.alert_servers import Webhook

NOWHERE = "json://127.0.0.1:1/ToKen4711"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """The command line with these destinations in a file that only its owner may read."""

    def run(*arguments, **urls):
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps({"alerts": urls}))
        file.chmod(0o600)
        return CliRunner().invoke(app, ["test", "--config", str(file), *arguments])

    return run


def test_every_destination_gets_the_test_and_json_says_so(configured):
    with Webhook() as hook:
        ran = configured("--json", page_urls=[hook.url], info_urls=[hook.url])
        assert [posted["title"] for posted in hook.arrived.all] == ["Gal-Friday PAGE: A test"] * 2
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["severity"], told["delivered"]) == (0, "page", 2)
    assert {one["destination"] for one in told["destinations"]} == {
        "alerts.page_urls[0]",
        "alerts.info_urls[0]",
    }


def test_one_that_is_not_reached_is_an_exit_code_and_a_reason_without_the_address(configured):
    with Webhook() as hook:
        ran = configured("--json", page_urls=[hook.url, NOWHERE])
        shown = configured(page_urls=[hook.url, NOWHERE])
    told = json.loads(ran.stdout)
    assert (ran.exit_code, shown.exit_code, told["delivered"]) == (NOT_DELIVERED, NOT_DELIVERED, 1)
    assert "Connection error" in told["destinations"][1]["problem"]
    assert "4711" not in ran.output + shown.output


def test_a_severity_that_nobody_hears_and_one_that_there_is_not_are_said(configured):
    ran = configured("--severity", "info", page_urls=[NOWHERE])
    assert isinstance(ran.exception, ConfigError)
    assert "nobody hears alerts of severity info" in str(ran.exception)
    ran = configured("--severity", "loud", page_urls=[NOWHERE])
    assert "unknown severity 'loud': use info, warning, page" in str(ran.exception)
