"""The drill itself, small: real roles on a real PostgreSQL and a simulated Kraken, each killed once; and what it reads."""

import asyncio
import json
import uuid

import psycopg
import pytest
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.connect import connect
from gal_friday_live.strand_drill.drill import Terms, run
from gal_friday_live.strand_drill.truth import Command, Decision, Intent, Plan
from gal_friday_live.strand_drill.witness import Witness

TRADER = str(uuid.uuid4())


class Forks:
    """Roles forked from a process that has imported everything, in place of guarded programs."""

    def __init__(self, nursery, folder):
        self._nursery = nursery
        self._folder = folder
        self.started = []

    async def __call__(self, name, arguments, env):
        log = self._folder / f"{name}.log"
        process = Fork(
            await asyncio.to_thread(self._nursery.spawn, ["gal_friday_live.cli"], arguments, log, env)
        )
        self.started.append(process)
        return process

    async def end(self):
        for process in self.started:
            if process.running:
                await process.kill()


class Fork:
    def __init__(self, process):
        self._process = process
        self.last_words = process.last_words

    @property
    def running(self):
        return self._process.lives

    async def line(self):
        return json.dumps(await asyncio.to_thread(self._process.told)).encode()

    async def kill(self):
        await asyncio.to_thread(self._process.kill)


async def test_each_role_is_killed_and_nothing_is_lost_or_doubled(nursery, tmp_path):
    forks = Forks(nursery, tmp_path)
    terms = Terms(folder=tmp_path / "drill", kills=1, disconnects=0, restarts=0, speed=20, between=1)
    told = []
    try:
        found = await run(terms, say=told.append, starts=forks)
    finally:
        await forks.end()
    print(*told, found, sep="\n")
    assert found.findings == []
    assert (found.lost, found.doubled, found.kills, found.holds) == (0, 0, 3, True)
    assert [(one.blow, one.role) for one in found.outages] == [
        ("kill", "alpha"),
        ("kill", "decision"),
        ("kill", "trader"),
    ]
    assert found.plans >= 4
    assert found.fills >= found.approved > 0, "nothing was bought: this would prove nothing"


DOCUMENT = {"ad_strands": "trading_plan", "dm_strands": "dm_decision", "tr_strands": "tr_execution"}


def written(connection, table, kind, tags, said):
    row = connection.execute(
        f"insert into {table} (kind, tags, {DOCUMENT[table]}) values (%s, %s, %s) returning id",
        (kind, Jsonb(tags), Jsonb(said)),
    ).fetchone()
    return row[0]


def journalled(connection, kind, key, record):
    connection.execute(
        "insert into journal (session, kind, key, ts_ns, record) values (%s, %s, %s, 1, %s)",
        (TRADER, kind, key, Jsonb(record)),
    )


def handled(connection, inbox, strand, state="done"):
    connection.execute(
        f"update {inbox} set state = %s, ended_at = now() where strand_id = %s", (state, strand)
    )


async def test_evidence_is_what_the_tables_and_the_traders_journal_hold(database_url):
    with connect(database_url) as connection:
        connection.execute(
            "insert into sessions (session_id, mode, started_ns, config_hash, code_version) values (%s, 'paper', 1, '', '')",
            (TRADER,),
        )
        plan = written(
            connection,
            "ad_strands",
            "signal",
            ["dm:evaluate_plan", "from:a"],
            {"signal_id": "s1"},
        )
        late = written(
            connection,
            "ad_strands",
            "signal",
            ["dm:evaluate_plan", "from:a"],
            {"signal_id": "s2"},
        )
        waits = written(
            connection,
            "ad_strands",
            "signal",
            ["dm:evaluate_plan", "from:a"],
            {"signal_id": "s3"},
        )
        answers = f"original_strand:{plan}"
        verdict = written(
            connection,
            "dm_strands",
            "decision",
            ["alpha:decision_feedback", answers],
            {"verdict": "approved"},
        )
        command = written(
            connection,
            "dm_strands",
            "execution_plan",
            ["trader:execute_plan", answers],
            {"signal_id": "s1"},
        )
        feedback = ["alpha:execution_feedback", "dm:execution_feedback", answers]
        fill = written(
            connection,
            "tr_strands",
            "execution",
            feedback,
            {"signal_id": "s1", "execution_id": "f1"},
        )
        handled(connection, "dm_inbox", plan)
        handled(connection, "dm_inbox", late, "expired")
        handled(connection, "trader_inbox", command)
        handled(connection, "alpha_inbox", fill)
        journalled(connection, "ORDER_INTENT", "o1", {"signal_id": "s1", "purpose": "ENTRY"})
        journalled(connection, "ORDER_INTENT", "o1-TG", {"signal_id": "s1", "purpose": "TARGET"})
        journalled(connection, "FILL", "f1", {})
    async with Witness.of(database_url) as witness:
        seen = await witness.evidence(TRADER)
        assert (await witness.decided(), await witness.handled("decision")) == (1, 1)
        assert (await witness.latency_ms()).keys() == {"alpha", "decision", "trader"}
    assert seen.plans == [
        Plan(strand_id=plan, signal_id="s1"),
        Plan(strand_id=late, signal_id="s2", given_up="error:expired"),
        Plan(strand_id=waits, signal_id="s3", waits=True),
    ]
    assert seen.decisions == [Decision(strand_id=verdict, plan_id=plan, approved=True)]
    assert seen.commands == [Command(strand_id=command, plan_id=plan, signal_id="s1")]
    assert seen.intents == [
        Intent(client_order_id="o1", signal_id="s1"),
        Intent(client_order_id="o1-TG", signal_id="s1", protects=True),
    ]
    assert seen.answered == {"s1"}
    assert seen.booked == {"alpha": ["f1"], "decision": [], "trader": ["f1"]}


async def test_a_roles_connections_are_cut_and_nobody_elses(database_url, monkeypatch):
    monkeypatch.setenv("PGAPPNAME", "gal-friday drill trader")
    with connect(database_url) as cut:
        monkeypatch.setenv("PGAPPNAME", "gal-friday drill alpha")
        with connect(database_url) as kept:
            async with Witness.of(database_url) as witness:
                assert await witness.disconnect("trader") == 1
            assert kept.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            cut.execute("select 1")
