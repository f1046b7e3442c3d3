"""What was measured of an installation is judged as it should be, and every complaint says what to do."""

import pytest

from gal_friday_core.config import Config
from gal_friday_core.doctor import machine, services
from gal_friday_core.doctor.check import LEVELS, Check, broken, doubtful, fine, joined, worst
from gal_friday_core.doctor.settings import dangers, settings


def test_a_check_is_told_with_name_verdict_detail_and_fix():
    assert doubtful("disk", "2 GB free", "Free space.").told() == {
        "name": "disk",
        "ok": False,
        "level": "warning",
        "detail": "2 GB free",
        "fix": "Free space.",
    }
    assert fine("disk", "enough").told()["ok"] is True


def test_joined_findings_have_the_worst_level_and_each_fix_once():
    found = joined("x", [doubtful("", "one", "Do."), fine("", "fine"), broken("", "two", "Do.")], "none")
    assert found == Check(name="x", level="failure", detail="one; two", fix="Do.")
    assert worst([]) == LEVELS[0]


def level(check):
    assert check.ok or check.fix, f"{check.name} complains without a remedy"
    return check.level


@pytest.mark.parametrize(
    ("version", "bits", "expected"),
    [((3, 11, 0), 64, "ok"), ((3, 13, 9), 64, "ok"), ((3, 10, 9), 64, "failure"), ((3, 14, 0), 64, "warning"),
     ((3, 12, 0), 32, "failure")],
)  # fmt: skip
def test_pythons_that_the_tests_run_on_are_fine(version, bits, expected):
    assert level(machine.python(version, bits)) == expected


@pytest.mark.parametrize(
    ("mb", "expected"), [(599, "failure"), (600, "warning"), (1_999, "warning"), (2_000, "ok")]
)
def test_memory_is_asked_for_in_two_steps(mb, expected):
    assert level(machine.memory(mb, 8_000)) == expected


@pytest.mark.parametrize(("files", "expected"), [(255, "failure"), (256, "warning"), (1_024, "ok")])
def test_open_files(files, expected):
    assert level(machine.open_files(files)) == expected


@pytest.mark.parametrize(
    ("free_mb", "inodes", "expected"),
    [(50, None, "failure"), (500, None, "failure"), (501, None, "warning"), (2_000, 5_000, "ok"),
     (9_000, 999, "failure")],
)  # fmt: skip
def test_disk_fails_where_entries_would_stop(free_mb, inodes, expected):
    assert level(machine.disk(free_mb, inodes, min_mb=500, halt_mb=100, folder="x")) == expected


@pytest.mark.parametrize(
    ("exchange_s", "ntp_s", "expected"),
    [(0.0, 0.05, "ok"), (0.0, None, "ok"), (None, -0.02, "ok"), (None, None, "warning"), (-0.6, None, "warning"),
     (1.0, 0.0, "failure"), (0.0, -12.0, "failure")],
)  # fmt: skip
def test_the_worse_of_two_witnesses_judges_the_clock(exchange_s, ntp_s, expected):
    found = machine.clock(exchange_s=exchange_s, ntp_s=ntp_s, problem="no network", entries_s=1, halt_s=10)
    assert level(found) == expected


def test_an_unknown_clock_is_told_and_not_guessed():
    found = machine.clock(exchange_s=None, ntp_s=None, problem="no network", entries_s=1, halt_s=10)
    assert "unknown: no network" in found.detail


@pytest.mark.parametrize(
    ("number", "expected"), [(180_004, "ok"), (160_002, "warning"), (130_011, "failure")]
)
def test_old_databases_are_refused(number, expected):
    assert level(services.database_version(number, "database x", 1)) == expected


@pytest.mark.parametrize(
    ("beats", "web", "expected"),
    [({}, True, "ok"), ({"SENSOR": 30.0}, True, "ok"), ({"SENSOR": 500.0}, False, "ok"),
     ({"SENSOR": 500.0}, True, "failure"), ({"SENSOR": 500.0, "SCHEDULER": 5.0}, False, "failure")],
)  # fmt: skip
def test_a_daemon_that_is_silent_beside_what_lives_is_a_failure(beats, web, expected):
    assert level(services.daemon(beats, web_server=web)) == expected


def configured(**sections):
    return Config.model_validate(sections)


SAFE_LIVE = {
    "mode": "live",
    "alerts": {"page_urls": ["json://127.0.0.1/x"]},
    "risk": {"ramp_orders": 10},
}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"risk": {"risk_per_trade": 0.05}}, "risk.risk_per_trade is 0.05"),
        ({"risk": {"max_daily_drawdown": 0.15}}, "a drawdown limit is tighter"),
        ({"costs": {"taker_fee": 0}}, "costs.taker_fee is 0"),
        ({"costs": {"slippage": 0}}, "costs.slippage is 0"),
        ({"barriers": {"min_width": 0.005}}, "is not above the costs"),
        ({"exchange": {"rest_url": "http://10.0.0.7"}}, "exchange.rest_url is not encrypted"),
        ({"market": {"websocket_url": "ws://exchange.example/v2"}}, "market.websocket_url is not encrypted"),
    ],
)
def test_unwise_settings_are_named_on_paper(sections, said):
    (found,) = dangers(configured(**sections))
    assert said in found.detail
    assert (found.level, bool(found.fix)) == ("warning", True)


@pytest.mark.parametrize(
    ("change", "said", "expected"),
    [
        ({"alerts": {}}, "nobody is woken", "failure"),
        ({"risk": {}}, "first orders are its largest", "failure"),
        ({"exchange": {"dead_man_switch": "never"}}, "dead_man_switch is never", "warning"),
        ({"logging": {"destinations": ["console"]}}, "kept nowhere", "warning"),
        ({"costs": {"taker_fee": 0}}, "costs.taker_fee is 0", "failure"),
    ],
)
def test_with_real_money_more_is_asked(change, said, expected):
    (found,) = dangers(configured(**{**SAFE_LIVE, **change}))
    assert (said in found.detail, found.level) == (True, expected)


def test_the_defaults_and_a_careful_live_configuration_are_nothing_to_complain_about():
    assert settings(Config(), "the defaults").ok
    assert settings(configured(**SAFE_LIVE), "x").ok
