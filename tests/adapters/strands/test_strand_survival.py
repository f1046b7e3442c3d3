"""Nothing lost and nothing doubled: over lost lines, killed listeners, a database that restarts, hangs, or is long gone."""

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import ensure_database, upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_adapters.strands import inbox as inbox_module
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_core.strands.strands import DmStrand, TrStrand
from tests.adapters.postgres.standing_still import standing_still
from tests.adapters.strands.strand_parts import QUICK, Heard, plan, rows, running, until, with_database
from tests.bounded import PATIENCE_S, line_of

ROOT = Path(__file__).resolve().parents[3]
LOST = """
select count(*) filter (where answers = 0), count(*) filter (where answers > 1), count(*) from (
    select (select count(*) from dm_strands d where d.tags @> to_jsonb('original_strand:' || a.id)) as answers
    from ad_strands a) counted
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One of its own, which tests stop and restart; it writes to disk, so that a crash is one."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("strands"), durable=True) as started:
        yield started


@pytest.fixture
def url(server, request):
    url = ensure_database(server.url("postgres"), f"s{abs(hash(request.node.name))}")
    upgrade(url)
    return url


@contextmanager
def decider(url):
    """The process of a decision maker that listens; killed at the end, if not before."""
    command = [sys.executable, "-m", "tests.adapters.strands.decider", url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert line_of(process.stdout) == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()


async def _written(alpha, numbers):
    """Written again until it is sure, as an alpha does that loses its database."""
    for number in numbers:
        while True:
            try:
                await alpha.write_with_tags(plan(number))
                break
            except StorageError:
                await asyncio.sleep(0.05)


async def _answered(url, count):
    await until(lambda: rows(url, "select count(*) from dm_inbox where state = 'done'") == [(count,)])


def _cut_lines(url):
    with connect(url) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_nothing_is_lost_or_doubled_over_kills_cut_lines_and_a_restart(url, server):
    async def body(database: Database) -> None:
        alpha = DirectTableCommunicator(database, "alpha")

        def restart():
            server.stop()
            server.start()

        async def trouble(kill):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(_cut_lines, url)
            await asyncio.sleep(0.1)
            if kill is None:
                await asyncio.to_thread(restart)
            else:
                kill()

        for round_, restarts in enumerate((False, False, True)):
            with decider(url) as process:
                numbers = range(round_ * 60, round_ * 60 + 60)
                await asyncio.gather(_written(alpha, numbers), trouble(None if restarts else process.kill))
                if restarts:
                    await _answered(url, 180)

    with_database(url, body)
    assert rows(url, LOST) == [(0, 0, 180)]


def test_a_database_that_is_gone_for_a_minute_is_waited_for(url, server):
    async def body(database: Database) -> None:
        alpha, heard, slept = DirectTableCommunicator(database, "alpha"), Heard(), []

        async def sleep(seconds):
            slept.append(seconds)
            if sum(slept) > 60 and not server.owns and not server_runs:
                server_runs.append(True)
                await asyncio.to_thread(server.start)
            await asyncio.sleep(0 if sum(slept) < 60 else 0.05)

        server_runs = []
        listener = ModuleListener(database, "dm", heard.handlers(), settings=QUICK, sleep=sleep)
        async with running(listener) as task:
            await alpha.write_with_tags(plan(1))
            await heard.reached(1)
            await _answered(url, 1)
            await asyncio.to_thread(server.stop)
            await until(lambda: bool(server_runs))
            await _written(alpha, [2])
            await _answered(url, 2)
            assert not task.done()
        assert (heard.numbers, listener.counts["reconnected"]) == ([1, 2], 1)

    with_database(url, body)


def test_a_server_that_hangs_is_a_lost_one(url, server, monkeypatch):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()
        listener = ModuleListener(database, "dm", heard.handlers(), settings=QUICK)
        async with running(listener):
            await alpha.write_with_tags(plan(1))
            await _answered(url, 1)
            monkeypatch.setattr(inbox_module, "ANSWER_S", 0.3)
            with standing_still(server):
                await until(lambda: listener._inbox is None or listener._inbox.connection.closed)
            monkeypatch.setattr(inbox_module, "ANSWER_S", 10.0)
            await alpha.write_with_tags(plan(2))
            await _answered(url, 2)
        assert heard.numbers == [1, 2]

    with_database(url, body)


def test_who_was_taken_over_in_mid_handling_does_nothing(url):
    """A paused process wakes up and finds that its claims are another's: the fence."""

    async def body(database: Database) -> None:
        alpha, handled = DirectTableCommunicator(database, "alpha"), []

        def deciding(name):
            async def decide(strand, transaction):
                handled.append(name)
                tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
                await transaction.write_with_tags(DmStrand(kind="answer", tags=tags))

            return Heard().handlers(dm_evaluate_plan=decide)

        await alpha.write_many([plan(number) for number in range(5)])
        paused = ModuleListener(database, "dm", deciding("paused"), settings=QUICK)
        old = await paused._open()
        claims = await old.claim(10, 60.0)
        fresh = ModuleListener(database, "dm", deciding("fresh"), exclusive=True, settings=QUICK)
        assert await fresh.pump() == 5
        await paused._handling.handle(old, claims)
        assert handled == ["fresh"] * 5
        assert paused.counts["done"] == 0
        await paused.close()
        await fresh.close()

    with_database(url, body)
    assert rows(url, LOST) == [(0, 0, 5)]


def test_who_finds_that_its_lease_is_another_s_leaves_every_strand_to_that_one(url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()
        await alpha.write_many([plan(1), plan(2), plan(3, "timeout:0")])

        async def fenced(strand, transaction):
            raise LeaseError("another engine has taken over this session")

        async def fate(strand, what, reason, transaction):
            raise LeaseError("another engine has taken over this session")

        for handler, on_fate in ((fenced, None), (heard.take, fate)):
            old = ModuleListener(
                database, "dm", heard.handlers(dm_evaluate_plan=handler), on_fate=on_fate, settings=QUICK
            )
            with pytest.raises(LeaseError):
                await old.run()
            assert rows(url, "select distinct state, attempts from dm_inbox") == [("waiting", 0)]
        fresh = Heard()
        new = ModuleListener(database, "dm", fresh.handlers(), settings=QUICK)
        assert await new.pump() == 3
        assert fresh.numbers == [1, 2]
        await new.close()

    with_database(url, body)


def test_a_claim_whose_lease_ended_is_another_s_and_one_that_is_being_handled_is_not(url):
    async def body(database: Database) -> None:
        alpha, heard, entered, leave = (
            DirectTableCommunicator(database, "alpha"),
            Heard(),
            asyncio.Event(),
            asyncio.Event(),
        )

        async def wait(strand, transaction):
            entered.set()
            await leave.wait()
            heard.strands.append("first")

        await alpha.write_with_tags(plan(1))
        inbox = QUICK.inbox.model_copy(update={"lease_s": 30.0})
        first = ModuleListener(
            database,
            "dm",
            heard.handlers(dm_evaluate_plan=wait),
            settings=QUICK.model_copy(update={"inbox": inbox}),
        )
        pumping = asyncio.create_task(first.pump())
        await entered.wait()
        rows(url, "update strand_modules set seen_at = seen_at returning 1")
        second = ModuleListener(database, "dm", heard.handlers(), exclusive=True, settings=QUICK)
        assert await second.pump() == 0  # its row is locked, whatever its lease says
        leave.set()
        assert await pumping == 1
        assert heard.strands == ["first"]
        await first.close()
        await alpha.write_with_tags(plan(2))
        gone = await first._open()
        assert len(await gone.claim(10, 0.0)) == 1  # and then it hangs, beyond its lease
        assert await second.pump() == 1
        await first.close()
        await second.close()

    with_database(url, body)


def test_feedback_that_answers_nobody_goes_to_every_alpha_of_the_account(url):
    async def body(database: Database) -> None:
        trader, settings = DirectTableCommunicator(database, "trader"), QUICK
        heard = {name: Heard() for name in ("day", "night", "elsewhere")}
        listeners = {
            name: ModuleListener(
                database, "alpha", heard[name].handlers("alpha"), name=name, settings=settings,
                account="other" if name == "elsewhere" else "main",
            )
            for name in heard
        }  # fmt: skip
        for listener in listeners.values():
            await listener.pump()  # known from now on
        await trader.write_with_tags(TrStrand(kind="state", tags=("alpha:execution_feedback",)))
        assert [await listener.pump() for listener in listeners.values()] == [1, 1, 0]
        for listener in listeners.values():
            await listener.close()

    with_database(url, body)
