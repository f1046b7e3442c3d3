"""Each strand is handled once, whatever happens to who listens."""

import re

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_adapters.strands.statements import INBOX
from gal_friday_core.strands.strands import DmStrand
from tests.adapters.strands.strand_parts import QUICK, Heard, plan, rows, running, until, with_database


def test_a_strand_is_handled_at_once_and_its_answer_reaches_the_alpha_that_asked(database_url):
    async def body(database: Database) -> None:
        alpha, dm = DirectTableCommunicator(database, "alpha"), Heard()

        async def decide(strand, transaction):
            dm.strands.append(strand)
            tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
            await transaction.write_with_tags(
                DmStrand(kind="decision", tags=tags, dm_decision={"verdict": "x"})
            )

        heard, other = Heard(), Heard()
        decider = ModuleListener(database, "dm", dm.handlers(dm_evaluate_plan=decide), settings=QUICK)
        night = ModuleListener(database, "alpha", heard.handlers("alpha"), name="night", settings=QUICK)
        day = ModuleListener(database, "alpha", other.handlers("alpha"), name="day", settings=QUICK)
        async with running(decider), running(night), running(day):
            written = await alpha.write_with_tags(plan(1, "from:night"))
            await heard.reached(1)
        [feedback] = heard.strands
        assert feedback.tags == ("alpha:decision_feedback", f"original_strand:{written}")
        assert feedback.created_at >= dm.strands[0].created_at > 1_700_000_000 * 10**9
        assert other.strands == []

    with_database(database_url, body)


def test_what_was_written_while_nobody_listened_is_handled_in_order_the_urgent_first(database_url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()
        await alpha.write_many([plan(number) for number in range(50)])
        await alpha.write_with_tags(plan(50, "priority:high"))
        listener = ModuleListener(database, "dm", heard.handlers(), settings=QUICK)
        assert await listener.pump() == 51
        assert heard.numbers == [50, *range(50)]
        assert await listener.pump() == 0
        await listener.close()

    with_database(database_url, body)


def test_what_was_handled_is_on_disk_and_a_claim_need_not_be(database_url):
    async def body(database: Database) -> None:
        alpha, told = DirectTableCommunicator(database, "alpha"), []

        async def look(strand, transaction):
            row = await (await transaction.connection.execute("show synchronous_commit")).fetchone()
            told.append(row["synchronous_commit"])

        await alpha.write_many([plan(1), plan(2)])
        listener = ModuleListener(database, "dm", Heard().handlers(dm_evaluate_plan=look), settings=QUICK)
        await listener.pump()
        row = await (await listener._inbox.connection.execute("show synchronous_commit")).fetchone()
        assert (told, row["synchronous_commit"]) == (["on", "on"], "off")
        await listener.close()

    with_database(database_url, body)


def test_without_notifications_strands_are_found_by_looking(database_url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()
        deaf = QUICK.notifications.model_copy(update={"enabled": False, "poll_s": 0.02})
        settings = QUICK.model_copy(update={"notifications": deaf})
        listener = ModuleListener(database, "dm", heard.handlers(), settings=settings)
        async with running(listener):
            await alpha.write_with_tags(plan(1))
            await heard.reached(1)

    with_database(database_url, body)


def test_a_listener_tells_that_it_lives_and_who_it_is(database_url):
    async def body(database: Database) -> None:
        look = "select module, account, name, worker, seen_at > started_at from strand_modules"
        listener = ModuleListener(
            database, "alpha", Heard().handlers("alpha"), name="night", worker="w1", settings=QUICK
        )
        async with running(listener):
            await until(lambda: rows(database_url, look) == [("alpha", "main", "night", "w1", True)])

    with_database(database_url, body)


def test_what_is_claimed_is_looked_up_whatever_the_planner_knows_of_the_inbox(database_url):
    """A table that nobody has analyzed since thousands came: joining them with a batch took a second a batch."""
    insert = "insert into ad_strands (kind, tags) select 'signal', '[\"dm:evaluate_plan\"]' from generate_series(1, 2000)"
    with connect(database_url) as connection:
        connection.execute(insert)
        for name in ("claim", "lock", "end", "again", "take_over"):
            words = iter(range(1, 99))
            statement = re.sub(
                r"%\(\w+\)s", lambda _, words=words: f"${next(words)}", getattr(INBOX["dm"], name)
            )
            plan = connection.execute(f"explain (generic_plan, costs off) {statement}").fetchall()
            found = [line for (line,) in plan if "Index Cond" in line and "seq = ANY" in line]
            assert len(found) == 1, "\n".join(line for (line,) in plan)
            assert not any("Seq Scan" in line for (line,) in plan)
