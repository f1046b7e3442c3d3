"""`init` writes a configuration that is valid, commented, its owner's alone, and never replaces one unasked."""

import json
import os
import pty
import subprocess
import sys
import threading

import pytest
from typer.testing import CliRunner

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.cli import app
from gal_friday_live.commands.init_asked import PLACES, QUESTIONS, answered, number_of, pairs_of
from gal_friday_live.config_writing import commented, read_back, scalar
from gal_friday_live.configuration import DEFAULT_FILE, keys
from tests.bounded import PATIENCE_S, joined


def run(*arguments, **environ):
    return CliRunner().invoke(app, ["init", *map(str, arguments)], env=environ)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "gal-friday.yaml"


def test_without_answers_the_file_is_the_commented_defaults(file):
    ran = run("--path", file, "--yes", "--json")
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["config"], told["before"]) == (0, str(file), None)
    text = file.read_text()
    assert read_back(text) == Config()
    assert file.stat().st_mode & 0o777 == 0o600
    comments = [line for line in DEFAULT_FILE.read_text().partition("\n\n")[2].splitlines() if "# " in line]
    assert [line for line in text.splitlines() if "# " in line][2:] == comments


def test_options_stand_in_the_file_where_the_defaults_stood(file):
    ran = run(
        "--path", file, "--yes", "--pairs", "eth-usd,btc/usd", "--interval", "5m", "--strategy", "ema_cross",
        "--cash", "2_500", "--taker-fee", "0.1%", "--risk-per-trade", "0.01",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    config = read_back(file.read_text())
    assert config.market.pairs == ("ETH/USD", "BTC/USD")
    assert (config.market.interval, config.strategy.id) == ("5m", "ema_cross")
    assert [str(value) for value in (config.paper.initial_cash, config.costs.taker_fee)] == ["2500", "0.001"]
    assert f"gal-friday doctor --config {file}" in ran.stdout.replace("\n", "")


def test_live_begins_with_a_ramp(file):
    run("--path", file, "--yes", "--mode", "live")
    config = read_back(file.read_text())
    assert (config.mode, config.risk.ramp_orders) == ("live", 10)


def test_a_file_that_is_there_is_left_alone_or_kept_beside(file):
    file.write_text("mode: paper\n")
    ran = run("--path", file, "--yes")
    assert isinstance(ran.exception, ConfigError)
    assert "--force replaces it" in str(ran.exception)
    assert file.read_text() == "mode: paper\n"
    told = json.loads(run("--path", file, "--yes", "--force", "--json").stdout)
    before = file.with_name("gal-friday.yaml.before")
    assert (told["before"], before.read_text()) == (str(before), "mode: paper\n")
    assert before.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--pairs", "BTCUSD", "BTCUSD is not a pair"),
        ("--interval", "7m", "market.interval: "),
        ("--cash", "much", "much is not a number"),
        ("--cash", "-5", "paper.initial_cash: must be greater than 0"),
        ("--strategy", "martingale", "martingale"),
        ("--mode", "real", "mode: must be"),
    ],
)
def test_what_a_setting_does_not_take_is_said_and_nothing_is_written(file, option, value, said):
    ran = run("--path", file, "--yes", option, value)
    assert isinstance(ran.exception, ConfigError)
    assert said in str(ran.exception)
    assert not file.exists()


def test_secrets_come_from_files_that_only_their_owner_reads(file, tmp_path):
    url = tmp_path / "url"
    url.write_text("postgresql://ada:hunter2@db.example/gal_friday\n")
    url.chmod(0o644)
    refused = run("--path", file, "--yes", "--database-url-file", url)
    assert isinstance(refused.exception, ConfigError)
    assert "chmod 600" in str(refused.exception)
    url.chmod(0o600)
    ran = run("--path", file, "--yes", "--database-url-file", url)
    found = read_back(file.read_text()).storage.database_url
    assert found.get_secret_value() == "postgresql://ada:hunter2@db.example/gal_friday"
    assert "hunter2" not in ran.output + str(refused.exception)


def test_keys_of_the_environment_go_to_files_of_their_own(file, tmp_path):
    keys = {"KRAKEN_API_KEY": "Key4711", "KRAKEN_API_SECRET": "U2VjcmV0NDcxMQ=="}
    told = json.loads(run("--path", file, "--yes", "--save-keys", "--json", **keys).stdout)
    secret = tmp_path / "data" / "secrets" / "kraken-api-secret"
    assert told["environment"]["KRAKEN_API_SECRET_FILE"] == str(secret)
    assert secret.read_text().strip() == keys["KRAKEN_API_SECRET"]
    assert (secret.stat().st_mode & 0o777, secret.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "4711" not in file.read_text() + json.dumps(told)
    again = run(
        "--path", file, "--yes", "--force", "--save-keys", KRAKEN_API_KEY="Other", KRAKEN_API_SECRET="x"
    )
    assert "holds another key and was left as it is" in str(again.exception)
    assert (tmp_path / "data" / "secrets" / "kraken-api-key").read_text() == "Key4711\n"


def test_keys_that_are_not_there_cannot_be_kept(file):
    ran = run("--path", file, "--yes", "--save-keys", KRAKEN_API_KEY="", KRAKEN_API_SECRET="")
    assert "set KRAKEN_API_KEY and KRAKEN_API_SECRET" in str(ran.exception)


def test_without_a_terminal_it_does_not_ask(file):
    ran = run("--path", file)
    assert isinstance(ran.exception, ConfigError)
    assert "give --yes" in str(ran.exception)


def test_a_wrong_answer_is_asked_for_again():
    answers, said = iter(["7m", "15m"]), []
    interval = tuple(one for one in QUESTIONS if one.key == "market.interval")
    found = dict(answered(interval, {}, lambda *_: next(answers), said.append))
    assert (found, len(said)) == ({"market.interval": "15m"}, 1)
    assert "market.interval" in said[0]


def test_every_question_is_about_a_setting_and_its_default_is_taken():
    for question in (*QUESTIONS, *PLACES):
        assert question.key in set(keys())
        question.taken(question.default)


def test_words_that_yaml_would_take_for_something_else_are_read_back_as_they_were():
    for value in ("no", "0.01", "12:30", "null", "a: b", "x # y", 'quote"', "BTC/USD"):
        text = commented({"strategy.id": "threshold"}).replace("org: gal-friday", f"org: {scalar(value)}")
        assert read_back(text).timeseries.org == value


def test_an_unknown_setting_is_refused():
    with pytest.raises(ConfigError, match=r"risk\.risk_per_trade"):
        commented({"risk.risk_per_trad": 0.01})


@pytest.mark.parametrize(("text", "number"), [("0.26%", 0.0026), ("10,000", 10_000), ("0.5", 0.5)])
def test_numbers_as_people_write_them(text, number):
    assert number_of(text) == number
    assert pairs_of(" btc/usd,BTC-USD ") == ["BTC/USD"]


AT_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["gal-friday", "init", "--path", sys.argv[1]]
from gal_friday_live.cli import main
main()
"""


def test_at_a_terminal_it_asks_and_takes_the_answers(file, tmp_path):
    main, other = pty.openpty()
    typed = b"SOL/USD\n5m\n\n777\n\n\n\n\n\ny\nKeyTyped\nU2VjcmV0\n"
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, str(file)], stdin=other, stdout=subprocess.PIPE, stderr=other
    ) as process:
        os.close(other)
        heard = bytearray()
        listener = threading.Thread(target=answer, args=(main, typed, heard), daemon=True)
        listener.start()
        try:
            out, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    joined(listener)
    os.close(main)
    assert process.returncode == 0, heard
    config = read_back(file.read_text())
    assert (config.market.pairs, config.market.interval) == (("SOL/USD",), "5m")
    assert str(config.paper.initial_cash) == "777"
    assert "KRAKEN_API_KEY_FILE=" in out.decode()
    assert (tmp_path / "data" / "secrets" / "kraken-api-key").read_text() == "KeyTyped\n"
    assert b"KeyTyped" not in heard  # typed where nobody sees it


HIDDEN = b"PostgreSQL of your own", b"Whom to wake", b"KRAKEN_API"


def answer(terminal, typed, heard):
    """One line at each question. Before a hidden one the terminal throws away what was typed already, then writes the
    space behind the question; behind others that space goes elsewhere, or comes later.
    """
    lines = iter(typed.splitlines(keepends=True))
    asked = 0
    while True:
        try:
            heard.extend(os.read(terminal, 4096))
        except OSError:
            return
        hidden = any(words in heard.rpartition(b"\n")[2] for words in HIDDEN)
        if len(heard) > asked and (heard if hidden else heard.rstrip(b" ")).endswith(
            b": " if hidden else b":"
        ):
            asked = len(heard) + (not hidden)
            os.write(terminal, next(lines, b""))
