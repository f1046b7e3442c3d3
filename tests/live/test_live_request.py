"""What `gal-friday live` refuses before it starts anything: contradictions, and real money that was not meant."""

from pathlib import Path

import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.live import parse
from gal_friday_live.live_request import LiveRequest

URL = "http://127.0.0.1:8600"
FILE = Path("candles.csv")


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
        ("paper", False, "mode: live in the configuration file and --i-understand-real-money"),
        ("paper", True, "still missing: mode: live in the configuration file$"),
        ("live", False, "still missing: --i-understand-real-money$"),
    ],
)
def test_real_money_needs_the_configuration_and_the_switch(configured, switch, told):
    with pytest.raises(ConfigError, match=told):
        LiveRequest(mode="live", real_money=switch).check(Config(mode=configured))
    LiveRequest(mode="live", real_money=True).check(Config(mode="live"))


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
