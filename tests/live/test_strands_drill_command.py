"""`gal-friday strands drill` as a command: what it prints, how it ends, and what it starts and kills."""

import asyncio
import json
import os
import signal

import psutil
import pytest
from typer.testing import CliRunner

from gal_friday_core.errors import ConfigError, GalFridayError
from gal_friday_live.cli import app
from gal_friday_live.processes import Children
from gal_friday_live.strand_drill import drill
from gal_friday_live.strand_drill.crew import Crew, Guarded, Member
from gal_friday_live.strand_drill.drill import Outage, Result
from gal_friday_live.strand_drill.place import place
from gal_friday_live.strand_drill.truth import DOUBLED, LOST, Finding

OUTAGE = Outage(blow="kill", target="trader", role="trader", seconds=1.25, by_standby=True)


def result(*found):
    return Result(
        plans=9, approved=7, orders=20, fills=22, kills=3, disconnects=0, restarts=0,
        lost=sum(one.kind == LOST for one in found), doubled=sum(one.kind == DOUBLED for one in found), differs=0,
        outages=[OUTAGE], resumptions=(), latency_ms={"trader": {"p50": 8.0, "p99": 40.0}}, seconds=60.0, speed=20.0, findings=found,
    )  # fmt: skip


@pytest.fixture
def drilled(monkeypatch):
    """Have the command come to a result; what it was asked is kept."""
    asked = []

    def come_to(found):
        async def run(terms, say):
            asked.append(terms)
            say("starting")
            return found

        monkeypatch.setattr(drill, "run", run)
        return asked

    return come_to


def test_a_drill_in_which_nothing_is_lost_ends_well_and_says_so_in_one_json_object(drilled):
    asked = drilled(result())
    ended = CliRunner().invoke(app, ["strands", "drill", "--kills", "1", "--standby", "--json"])
    assert ended.exit_code == 0
    told = json.loads(ended.stdout)
    assert (told["plans"], told["kills"], told["lost"], told["doubled"]) == (9, 3, 0, 0)
    assert told["outages"] == [
        {"blow": "kill", "target": "trader", "role": "trader", "seconds": 1.25, "by_standby": True}
    ]
    assert (asked[0].kills, asked[0].standby) == (1, True)
    assert not asked[0].folder.exists(), "what it stood on goes with it"


@pytest.mark.parametrize("kind", [LOST, DOUBLED])
def test_whatever_is_lost_or_doubled_is_named_and_ends_with_one(drilled, kind):
    drilled(result(Finding(kind=kind, what="a plan without a decision", subject="p1")))
    ended = CliRunner().invoke(app, ["strands", "drill"])
    assert ended.exit_code == 1
    assert "a plan without a decision" in ended.stdout
    assert "p1" in ended.stdout


def test_a_drill_that_is_terminated_ends_what_it_stands_on(monkeypatch):
    ended = []

    async def run(terms, say):
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(terms.folder.exists())

    monkeypatch.setattr(drill, "run", run)
    assert CliRunner().invoke(app, ["strands", "drill"]).exit_code == 130
    assert ended == [True]


def test_a_folder_that_holds_something_is_not_taken(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(ConfigError, match="empty"), place(tmp_path):
        pass


def test_a_folder_to_keep_is_kept(tmp_path):
    with place(tmp_path / "kept") as folder:
        (folder / "log").touch()
    assert (tmp_path / "kept" / "log").exists()


async def test_a_role_is_killed_with_all_that_it_started(tmp_path):
    serve = ["exchange", "serve", "--port", "0", "--json"]
    with Children(tmp_path / "logs") as children:
        crew = Crew(tmp_path, Guarded(children), env={}, commands={"exchange": serve})
        member = await crew.start("exchange")
        told = json.loads(await member.process.line())
        assert told["url"].startswith("http://127.0.0.1:")
        guard = psutil.Process(member.process.child.process.pid)
        (program,) = guard.children()
        crew.require_running()
        await crew.kill("exchange")
        assert psutil.wait_procs([program], timeout=30)[1] == []
        assert crew.members == {}
        with pytest.raises(GalFridayError, match="ended by itself"):
            await member.until("ready")
        with pytest.raises(GalFridayError, match="ended by itself"):
            member.require_running()


class Silent:
    """A process that runs and says nothing."""

    running = True

    async def line(self):
        await asyncio.sleep(0)
        return b'{"event": "standby"}\n'

    def last_words(self):
        return "waiting for the lease"


async def test_what_a_role_said_is_remembered_and_what_it_does_not_say_is_not_waited_for(tmp_path):
    member = Member("trader", tmp_path, Silent())
    assert await member.until("standby") == {"event": "standby"}
    with pytest.raises(GalFridayError, match=r"not ready after 0 s.*waiting for the lease"):
        await member.until("ready", within_s=0)


class Starved:
    """A role that ends before it is ready, the first few times, with these words."""

    def __init__(self, times, words):
        self.left, self.words, self.started = times, words, 0

    async def __call__(self, name, arguments, env):
        self.started += 1
        self.left -= 1
        return Ends(self.words) if self.left >= 0 else Ready()


class Ends:
    running = False

    def __init__(self, words):
        self._words = words

    async def line(self):
        return b""

    def last_words(self):
        return self._words


class Ready(Silent):
    async def line(self):
        return b'{"event": "ready"}\n'


@pytest.mark.parametrize(
    ("times", "words", "started"),
    [
        (2, "cannot reach Kraken at ws://…", 3),
        (9, "cannot reach Kraken at ws://…", 5),
        (1, "KeyError: 'pair'", 1),
    ],
)
async def test_a_role_is_started_again_only_where_the_exchange_was_starved_and_not_for_ever(
    tmp_path, times, words, started
):
    starts = Starved(times, words)
    crew = Crew(tmp_path, starts, env={}, commands={"alpha": ()})
    drilling = drill.Drill(drill.Terms(folder=tmp_path), None, crew, None, lambda _: None)
    if started > times:
        await drilling._up("alpha", "ready")
        assert drilling._begun_again == times
    else:
        with pytest.raises(GalFridayError, match="ended by itself"):
            await drilling._up("alpha", "ready")
    assert starts.started == started


class Traders:
    """Starts of traders: what each says, in order."""

    def __init__(self, *processes):
        self.left = list(processes)

    async def __call__(self, name, arguments, env):
        return self.left.pop(0)


def standing(folder, trader, *to_come):
    """A drill whose trader is this process, and what is started from now on."""
    crew = Crew(folder, Traders(*to_come), env={}, commands={"trader": (), drill.STANDBY: ()})
    for role in drill.ROLES:
        crew.members[role] = Member(role, folder, Ready())
    crew.members["trader"] = Member("trader", folder, trader)
    return crew, drill.Drill(drill.Terms(folder=folder), None, crew, None, lambda _: None)


STARVED, LOST_IT = (Ends("cannot reach Kraken at ws://…"), Ends("another process has taken over as trader"))


@pytest.mark.parametrize("trader", [STARVED, LOST_IT])
async def test_a_standby_that_finds_the_account_free_is_the_trader_and_another_stands_by(tmp_path, trader):
    crew, drilling = standing(tmp_path, trader, taken_up := Ready(), waiting := Silent())
    await drilling._stand_by()
    assert (crew.members["trader"].process, crew.members[drill.STANDBY].process) == (taken_up, waiting)


async def test_a_trader_that_ended_for_another_reason_ends_the_drill(tmp_path):
    _, drilling = standing(tmp_path, Ends("KeyError: 'pair'"), Ready())
    with pytest.raises(GalFridayError, match="KeyError"):
        await drilling._stand_by()


@pytest.mark.parametrize("trader", [STARVED, LOST_IT])
async def test_the_standby_takes_over_from_a_trader_that_is_gone(tmp_path, trader):
    crew, drilling = standing(tmp_path, trader, waiting := Silent())
    crew.members[drill.STANDBY] = Member(drill.STANDBY, tmp_path, taken_up := Ready())
    await drilling._require_running()
    assert (crew.members["trader"].process, crew.members[drill.STANDBY].process) == (taken_up, waiting)


async def test_a_standby_that_was_starved_stands_by_again(tmp_path):
    crew, drilling = standing(tmp_path, Ready(), waiting := Silent())
    crew.members[drill.STANDBY] = Member(drill.STANDBY, tmp_path, STARVED)
    await drilling._require_running()
    assert crew.members[drill.STANDBY].process is waiting
