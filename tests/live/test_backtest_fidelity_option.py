"""`gal-friday backtest --fidelity`: words, settings, and what they are answered with."""

from decimal import Decimal

import pytest

from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.fidelity_settings import KRAKEN_TIERS
from tests.live.test_backtest_command import RULE, command, history, told

__all__ = ["command", "history"]


def test_realistic_says_in_the_report_what_holds(command, history):
    result = told(command("--history", history, *RULE, "--fidelity", "realistic", "--json"))
    context = result["context"]
    assert (context["fees"], context["latency_ms"], context["participation"]) == ("kraken", "250", "0.1")
    assert context["taker_fee"] == "0.004"
    assert any("estimated from" in note for note in result["notes"])
    assert any("reckon with the first tier" in note for note in result["notes"])
    rates = {rate for _, *both in KRAKEN_TIERS for rate in both}
    assert {Decimal(part["rate"]) for part in result["costs"]["fee_parts"]} <= rates


def test_one_setting_changes_one_thing(command, history):
    plain = told(command("--history", history, *RULE, "--json"))
    same = told(command("--history", history, *RULE, "--fidelity", "bars", "--json"))
    late = told(command("--history", history, *RULE, "--fidelity", "latency_ms=20000",
                        "--fidelity", "queue_ahead=2", "--json"))  # fmt: skip
    assert same["final_equity"] == plain["final_equity"] != late["final_equity"]
    assert late["context"]["latency_ms"] == "20000"


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (["ticks"], ConfigError, "none of bars, trades, book, realistic"),
        (["latency=5"], ConfigError, "latency_ms"),
        (["latency_ms=soon"], ConfigError, "latency_ms: Input should be a valid integer"),
        (["participation=2"], ConfigError, "less than or equal to 1"),
        (["trades"], DataError, "no recorded trades of BTC/USD"),
        (["book"], DataError, "gal-friday feed rebuild"),
    ],
)
def test_other_words_say_what_to_do(command, history, words, error, text):
    arguments = [part for word in words for part in ("--fidelity", word)]
    ran = command("--history", history, *RULE, *arguments, "--json")
    assert isinstance(ran.exception, error), ran.output
    assert text in str(ran.exception)
