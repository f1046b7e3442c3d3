"""`gal-friday strands` on a database in which modules talked: what an operator reads there."""

import json

import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import ConfigError
from gal_friday_live.cli import app


def command(*arguments):
    result = CliRunner().invoke(app, ["strands", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture
def plan(database_url, tmp_path, monkeypatch):
    """The id of a plan that was refused, in the database that commands are configured for."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    with connect(database_url) as connection:
        (strand,) = connection.execute(
            "insert into ad_strands (kind, symbol, trading_plan, tags) values ('signal', 'BTC/USD', %s, %s) returning id",
            (Jsonb({"signal_id": "s1", "side": "BUY"}), Jsonb(["dm:evaluate_plan", "from:trend"])),
        ).fetchone()
        connection.execute(
            "insert into dm_strands (kind, symbol, dm_decision, tags) values ('decision', 'BTC/USD', %s, %s)",
            (
                Jsonb({"verdict": "refused", "reason_code": "HALTED"}),
                Jsonb(["alpha:decision_feedback", f"original_strand:{strand}"]),
            ),
        )
    return strand


@pytest.fixture
def marked(database_url, plan):
    """The id of the refusal, which the alpha could not take."""
    with connect(database_url) as connection:
        connection.execute("update alpha_inbox set state = 'failed', error = 'poison', ended_at = now()")
        (strand,) = connection.execute("select id from dm_strands").fetchone()
    return strand


def inboxes():
    told = json.loads(command("status", "--json"))
    return {row["inbox"]: (row["waiting"], row["failed"]) for row in told["inboxes"]}


def test_status_tells_inboxes_and_what_failed(marked):
    assert inboxes() == {"alpha_inbox": (0, 1), "dm_inbox": (1, 0)}
    assert [row["strand_id"] for row in json.loads(command("status", "--json"))["failed"]] == [marked]
    assert "poison" in command("status")


def test_status_of_a_fresh_database_says_that_nothing_is_there(database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    assert command("status").splitlines() == [
        "No strand was ever written.",
        "Nobody ever listened.",
        "No account was ever traded.",
        "No strand is marked as failed.",
    ]


def test_show_tells_a_plan_and_why_it_was_refused(plan):
    told = json.loads(command("show", plan, "--json"))
    assert [row["kind"] for row in told] == ["signal", "decision"]
    assert told[1]["strand"]["dm_decision"]["reason_code"] == "HALTED"
    shown = command("show", plan)
    assert "verdict refused, reason_code HALTED" in shown
    assert "dm:evaluate_plan waiting" in shown


def test_retry_has_a_marked_strand_wait_again(marked):
    assert json.loads(command("retry", marked, "--json")) == {"strand": marked, "inboxes": 1}
    assert inboxes() == {"alpha_inbox": (1, 0), "dm_inbox": (1, 0)}


def test_clean_removes_what_ended_long_ago_and_keeps_what_waits(database_url, plan):
    with connect(database_url) as connection:
        connection.execute(
            "update alpha_inbox set state = 'done', added_at = now() - interval '40 days', ended_at = now() - interval '40 days'"
        )
        connection.execute("update dm_strands set created_at = now() - interval '40 days'")
        connection.execute("update ad_strands set created_at = now() - interval '40 days'")
    assert json.loads(command("clean", "--days", "41", "--json")) == {"removed": 0, "older_than_days": 41}
    assert json.loads(command("clean", "--json")) == {"removed": 1, "older_than_days": 7}
    assert [row["id"] for row in json.loads(command("show", plan, "--json"))] == [plan]


@pytest.mark.parametrize("name", ["show", "retry"])
def test_a_strand_that_is_not_there_is_refused(name, plan):
    with pytest.raises(ConfigError, match="nowhere"):
        command(name, "nowhere")


def test_status_tells_which_alpha_has_which_pairs(database_url, plan):
    session = "d8e29607-36b0-5723-897e-99c8d9daea4c"
    run = {"role": "alpha", "name": "trend", "series": ["kraken:BTC-USD:1m", "kraken:ETH-USD:1m"]}
    with connect(database_url) as connection:
        connection.execute("select take_engine_lease(%s, 'process 1')", (session,))
        connection.execute(
            "insert into sessions (session_id, mode, started_ns, config_hash, code_version) "
            "values (%s, 'paper', 1, '', '')",
            (session,),
        )
        connection.execute(
            "insert into journal (session, kind, key, ts_ns, record) values (%s, 'RUN', 'r', 1, %s)",
            (session, Jsonb(run)),
        )
    (lease,) = json.loads(command("status", "--json"))["leases"]
    assert (lease["name"], lease["pairs"]) == ("trend", ["BTC/USD", "ETH/USD"])
    assert "BTC/USD; ETH/USD" in command("status")
