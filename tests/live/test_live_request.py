"""What `gal-friday live` refuses before it starts anything: contradictions, and real money that was not meant."""

from pathlib import Path

import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.live import parse
from gal_friday_live.live_request import ROLES, LiveRequest

URL = "http://127.0.0.1:8600"
FILE = Path("candles.csv")
SHARED = Config.model_validate({"storage": {"database_url": "postgresql://db/desk"}})
OWN_LOGIN = Config.model_validate(
    {"module_communication": {"database": {"host": "db", "user": "desk_trader"}}}
)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"venue": URL},
        {"candles": FILE, "faults": "reject=0.1"},
        {"mode": "replay", "session": FILE},
        {"venue": URL, "model": "m@v1", "override_reason": "to see it"},
    ],
)
def test_what_makes_sense_passes(wanted):
    LiveRequest(**wanted).check(Config())


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"venue": URL, "candles": FILE}, "--venue has its own market"),
        ({"session": FILE, "candles": FILE}, "one market at a time"),
        ({"model": "m@v1"}, "say why with --override-reason"),
        ({"override_reason": "to see it"}, "name it with --model"),
        ({"mode": "replay"}, "--mode replay needs --session or --candles"),
        ({"mode": "live", "venue": URL}, "goes with --mode paper, not live"),
        ({"faults": "reject=0.1"}, "--faults strike an embedded market"),
        ({"real_money": True}, "goes with --mode live only"),
    ],
)
def test_what_contradicts_itself_is_refused(wanted, told):
    with pytest.raises(ConfigError, match=told):
        LiveRequest(**wanted).check(Config())


@pytest.mark.parametrize(
    ("configured", "switch", "told"),
    [
        ("paper", False, "mode: live in the configuration file and --i-understand-real-money$"),
        ("paper", True, "still missing: mode: live in the configuration file$"),
        ("live", False, "still missing: --i-understand-real-money$"),
    ],
)
def test_real_money_needs_the_configuration_and_the_switch(configured, switch, told):
    with pytest.raises(ConfigError, match=told):
        LiveRequest(mode="live", real_money=switch).check(real_money(mode=configured))
    LiveRequest(mode="live", real_money=True).check(real_money())


def test_real_money_begins_small_and_has_somebody_to_wake():
    request = LiveRequest(mode="live", real_money=True)
    with pytest.raises(ConfigError, match=r"still missing: a ramp for new models \(risk\.ramp_orders: 10"):
        request.check(real_money(risk={}))
    with pytest.raises(ConfigError, match=r"still missing: somebody to wake \(alerts\.page_urls"):
        request.check(real_money(alerts={}))
    request.check(real_money(alerts={"info_urls": ["mailto://ada:pw@example.org"]}))
    LiveRequest().check(Config())  # on paper nobody asks for either


def real_money(**changes):
    """A configuration that may trade it, with changes."""
    needed = {
        "mode": "live",
        "risk": {"ramp_orders": 10},
        "alerts": {"page_urls": ["ntfys://ntfy.example.org/gf"]},
    }
    return Config.model_validate(needed | changes)


def test_real_money_never_trades_a_model_that_was_not_promoted():
    request = LiveRequest(mode="live", real_money=True, model="m@v1", override_reason="a hunch")
    with pytest.raises(ConfigError, match="trades the promoted model"):
        request.check(Config(mode="live"))


def test_the_programs_arguments_are_read_by_name_with_their_defaults():
    options = parse(["live", "--mode", "replay", "--candles", "x.csv", "--speed", "30"])
    assert (options["mode"], options["candles"], options["speed"]) == ("replay", Path("x.csv"), 30.0)
    assert options["i_understand_real_money"] is False
    with pytest.raises(ConfigError, match="No such option: --sped"):
        parse(["--sped", "30"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": "btc"}, "--name and --standby are of one role"),
        ({"standby": True}, "--name and --standby are of one role"),
        ({"role": "trader", "name": "btc"}, "--name tells alphas apart: an account has one trader"),
        ({"role": "decision", "candles": Path("c.csv")}, "roles meet on one market that all of them hear"),
        ({"role": "alpha", "mode": "replay", "session": Path("s")}, "roles meet on one market"),
        ({"role": "alpha", "record": Path("f")}, "roles meet on one market"),
        (
            {"role": "trader", "model": "m@v1", "override_reason": "r"},
            "--model is the alpha's, not the trader's",
        ),
    ],
)
def test_a_role_is_refused_what_only_a_whole_engine_or_another_role_can_do(given, problem):
    with pytest.raises(ConfigError, match=problem):
        LiveRequest(**given).check(SHARED)


def test_each_role_may_meet_the_others_at_a_venue():
    for role in ROLES:
        LiveRequest(role=role, venue=URL, standby=True).check(SHARED)
        LiveRequest(role=role, venue=URL).check(OWN_LOGIN)


def test_a_role_without_a_database_for_all_is_refused():
    with pytest.raises(ConfigError, match="roles meet in one database: set storage"):
        LiveRequest(role="trader", venue=URL).check(Config())
