"""The whole command line: every command teaches, answers scripts, and says in one line what was wrong."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gal_friday_live import cli
from gal_friday_live.commands import completing
from gal_friday_live.commands.guide import EXAMPLES, PANELS
from gal_friday_live.commands.reference import leaves, program, reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = {" ".join(path): command for path, command in leaves(program())}
FOR_EYES = {"top"}
"""What scripts ask of other commands: status, positions and orders say the same with --json."""


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data, no settings, and a terminal of a known width."""
    for name in ("GAL_FRIDAY_CONFIG", "GAL_FRIDAY_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


def examples(name):
    """Those of the table, and those that a command's own words hold."""
    own = [
        line.strip()
        for line in (COMMANDS[name].help or "").splitlines()
        if line.strip().startswith("gal-friday ")
    ]
    return [line.removeprefix("gal-friday ") for line in own] + list(EXAMPLES.get(name, ()))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_shows_how(name):
    command = COMMANDS[name]
    assert command.help, "a docstring is its help"
    lines = [line for line in examples(name) if line == name or line.startswith(f"{name} ")]
    assert lines, f"add a line for {name!r} to EXAMPLES in gal_friday_live/commands/guide.py"
    known = {word for one in command.params for word in (*one.opts, *one.secondary_opts)}
    for line in lines:
        words = shlex.split(line.partition("&&")[0])
        assert {word for word in words if word.startswith("-")} <= known, f"{line}: no such option"
    assert all(getattr(one, "help", None) for one in command.params), "every option says what it means"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_scripts(name):
    options = {word for one in COMMANDS[name].params for word in one.opts}
    assert "--json" in options or name in FOR_EYES


@pytest.mark.parametrize("name", ["up", "doctor", "models promote", "sweep"])
def test_help_shows_the_examples(name):
    ran = CliRunner().invoke(cli.app, [*name.split(), "--help"])
    assert ran.exit_code == 0
    assert all(f"gal-friday {line}" in ran.stdout for line in examples(name)[:1])


def test_the_table_of_examples_and_panels_names_commands_that_there_are():
    groups = {name.split()[0] for name in COMMANDS}
    assert set(EXAMPLES) <= set(COMMANDS)
    assert groups == {name for names in PANELS.values() for name in names}


def test_the_page_of_all_commands_is_current():
    assert PAGE.read_text() == reference(), "run python -m gal_friday_live.commands.reference > docs/cli.md"


def said(monkeypatch, capsys, *arguments):
    """Exit code and both outputs of the program, as it is called."""
    monkeypatch.setattr(sys, "argv", ["gal-friday", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


MODEL = "kraken:BTC-USD:1m@v1"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        # arguments
        (["statsu"], "No such command 'statsu'"),
        (["status", "--jsno"], "No such option: --jsno"),
        (["models", "show"], "Missing argument"),
        (["models", "nonsense"], "gal-friday models --help says more"),
        (["resume"], "Missing option '--reason'"),
        (["top", "--every", "often"], "Invalid value for '--every'"),
        (["top", "--engine", "nowhere/trader"], "no such directory: name the data directory"),
        (["live", "--mode", "dream"], "--mode dream: use paper, live, replay"),
        (["alerts", "test", "--severity", "loud"], "use info, warning, page"),
        (["experiments", "list", "--state", "asleep"], "--state asleep: use CREATED, RUNNING"),
        (["retraining", "list", "--state", "asleep"], "--state asleep: use REQUESTED"),
        (["models", "list", "--stage", "moon"], "use one of development"),
        (["statement", "--day", "someday"], "not a day: 'someday'"),
        (["events", "schema", "NOPE"], "unknown event type 'NOPE'"),
        (["exchange", "serve", "--faults", "nope"], "unknown fault 'nope'"),
        (["sweep", "-g", "nonsense"], "not an axis: 'nonsense'"),
        (["new", "strategy", "threshold"], "'threshold' is built in"),
        # no engine, nothing stored
        (["halt"], "no engine is running"),
        (["stop"], "gal-friday live starts one"),
        (["reload"], "no engine is running"),
        (["top", "--once"], "no engine is running"),
        # files
        (["status", "--config", "nowhere.yaml"], "configuration file nowhere.yaml: No such file"),
        (["backtest", "--history", "nowhere.csv", "--strategy", "ema_cross"], "nowhere.csv"),
        (["ingest", "--history", "nowhere.csv"], "nowhere.csv"),
        (["feed", "verify", "nowhere"], "nowhere"),
        (["replay", "nowhere"], "nowhere"),
        (["live", "--mode", "replay", "--candles", "nowhere.csv"], "nowhere.csv"),
        # real money
        (["live", "--mode", "live"], "still missing: mode: live in the configuration file"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path, arguments, what):
    monkeypatch.chdir(tmp_path)
    code, out, err = said(monkeypatch, capsys, *arguments)
    lines = err.strip().splitlines()
    assert (code, out) == (2, ""), err
    assert lines[-1].startswith("gal-friday: ")
    assert what in lines[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["status"], ["models", "list"], ["orders"], ["doctor", "--offline", "--json"]]
)
def test_settings_that_are_wrong_name_file_line_and_key(monkeypatch, capsys, tmp_path, arguments):
    file = tmp_path / "my.yaml"
    file.write_text("risk:\n  risk_per_trad: 0.01\n")
    code, out, err = said(monkeypatch, capsys, *arguments, "--config", file)
    told = f"{out}{err}".replace("\n", " ")
    assert "my.yaml, line 2: unknown configuration key risk.risk_per_trad" in told
    assert code == (1 if arguments[0] == "doctor" else 2)


@pytest.mark.parametrize(
    "arguments",
    [["models", "list"], ["models", "show", MODEL], ["status"], ["statement"], ["experiments", "list"],
     ["retraining", "list"], ["explain", "x"], ["audit"], ["models", "rollback", "x"]],
)  # fmt: skip
def test_a_database_that_is_not_there_is_named_without_its_password(monkeypatch, capsys, arguments):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", "postgresql://ada:hunter2@127.0.0.1:1/none")
    code, out, err = said(monkeypatch, capsys, *arguments)
    assert (code, out, len(err.strip().splitlines())) == (2, "", 1)
    assert err.startswith('gal-friday: cannot use database "none" on 127.0.0.1:1')
    assert "hunter2" not in err


def test_ctrl_c_is_exit_code_130_and_no_traceback(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.control, "_ask", interrupted)
    code, out, err = said(monkeypatch, capsys, "stop")
    assert (code, out) == (130, "")
    assert "Traceback" not in err


def test_a_group_alone_shows_what_is_in_it(monkeypatch, capsys):
    code, out, err = said(monkeypatch, capsys, "models")
    assert (code, "rollback" in f"{out}{err}") == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [["events", "schema"], ["models", "key"], ["extensions", "list"], ["doctor", "--offline"]],
)
def test_json_is_one_json_document(monkeypatch, capsys, arguments):
    code, out, _ = said(monkeypatch, capsys, *arguments, "--json")
    assert code == 0
    assert json.loads(out)


# Completion


def complete(*words):
    """What the shell would offer for the last word of a line."""
    line = " ".join(["gal-friday", *words])
    environ = {
        "_GAL_FRIDAY_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
    }
    return CliRunner().invoke(cli.app, prog_name="gal-friday", env=environ).stdout.split()


def test_commands_and_options_complete():
    assert complete("doc") == ["doctor"]
    assert complete("models", "ro") == ["rollback"]
    assert "--offline" in complete("doctor", "--o")


def test_pairs_strategies_and_stages_complete(tmp_path):
    (tmp_path / "data/lake/candles/venue=kraken/pair=SOL-EUR/interval=5m").mkdir(parents=True)
    assert complete("ingest", "--pair", "SO") == ["SOL/EUR"]
    assert complete("backtest", "--strategy", "ema") == ["ema_cross"]
    assert complete("models", "promote", "--stage", "st") == ["staging"]
    assert completing.pairs("") == ["BTC/USD", "SOL/EUR"]
    assert completing.series("k") == ["kraken:SOL-EUR:5m"]


def test_models_complete_where_the_database_is_up(database_url, tmp_path, monkeypatch):
    import asyncio

    from tests.live.seeded import seed_model

    model_id = asyncio.run(seed_model(database_url, tmp_path / "data"))
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    assert completing.models("") == [model_id]
    assert completing.model_types("") == [model_id.partition("@v")[0]]
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    assert completing.models("") == []


def test_completion_starts_nothing_and_minds_no_wrong_settings(tmp_path, monkeypatch):
    assert completing.models("") == []
    assert not (tmp_path / "data").exists()
    monkeypatch.setenv("GAL_FRIDAY_CONFIG", str(tmp_path / "nowhere.yaml"))
    assert completing.pairs("") == []


def test_the_strategies_offered_are_those_there_are():
    from gal_friday_core.strategies.registry import STRATEGIES

    assert set(completing.STRATEGIES) == set(STRATEGIES)
