"""What may not be said, and what cannot be handled: each stays without harm for the others."""

import asyncio
import json

import psycopg
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.errors import ContractError, DataError, SchemaMismatchError, StorageError
from gal_friday_core.strands.strands import AdStrand, DmStrand, TrStrand
from tests.adapters.strands.strand_parts import QUICK, Heard, plan, rows, with_database

MARKED = "select state, error, attempts from dm_inbox order by seq"


FOREIGN = (
    ("ad_strands", ["dm:evaluate_plans"]),
    ("ad_strands", ["timeout:soon"]),
    ("ad_strands", ["timeout:123456789"]),
    ("ad_strands", ["account: day"]),
    ("ad_strands", [f"from:{'x' * 101}"]),
    ("dm_strands", ["original_strand:"]),
    ("ad_strands", ["trader:execute_plan"]),  # an alpha never commands the trader
    ("ad_strands", ["alpha:decision_feedback"]),
    ("dm_strands", ["dm:evaluate_plan"]),
    ("tr_strands", ["trader:execute_plan"]),
    ("ad_strands", "dm:evaluate_plan"),
    ("ad_strands", {"dm:evaluate_plan": True}),
    ("ad_strands", [7]),
    ("ad_strands", [None]),
    ("ad_strands", [["dm:evaluate_plan"]]),
    ("dm_strands", [["original_strand:x"]]),
    ("ad_strands", ["dm:evaluate_plan", "dm:evaluate_plan"]),
    ("tr_strands", ["account:night", "account:day"]),
)


def test_the_database_refuses_tags_that_a_table_may_not_have(database_url):
    with connect(database_url) as connection:
        for table, tags in FOREIGN:
            insert = f"insert into {table} (kind, tags) values ('signal', %s)"
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(insert, (json.dumps(tags),))
            connection.execute(insert, ("[]",))
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(f"update {table} set tags = %s", (json.dumps(tags),))
    for inbox in ("alpha_inbox", "dm_inbox", "trader_inbox"):
        assert rows(database_url, f"select count(*) from {inbox}") == [(0,)]


def test_without_tags_is_an_empty_list_never_nothing(database_url):
    with connect(database_url) as connection:
        connection.execute("insert into ad_strands (kind) values ('signal')")
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute("insert into ad_strands (kind, tags) values ('signal', null)")
    assert rows(database_url, "select tags from ad_strands") == [([],)]


WRONG = (
    (AdStrand(kind="signal", tags=("trader:execute_plan",)), "alpha may not say 'trader:execute_plan'"),
    (AdStrand(kind="signal", tags=("dm:evaluate_plan", "urgent")), "unknown tag 'urgent'"),
    (AdStrand(kind="signal", tags="dm:evaluate_plan"), "tags are a list of texts"),
    (DmStrand(kind="decision"), "alpha writes ad_strands only"),
    (AdStrand(kind=""), "needs a kind"),
    (AdStrand(kind="signal", trading_plan={"said": "nul \0"}), "the database refuses the strand"),
    (AdStrand(kind="signal", trading_plan=[1]), "the database refuses the strand"),
)


def test_a_communicator_writes_all_of_a_batch_or_nothing_and_names_what_is_wrong(database_url):
    async def body(database: Database) -> None:
        alpha = DirectTableCommunicator(database, "alpha")
        for strand, said in WRONG:
            with pytest.raises(ContractError, match=said):
                await alpha.write_many([plan(1), strand])
        assert rows(database_url, "select count(*) from ad_strands") == [(0,)]
        with pytest.raises(ContractError, match="'pg_user' holds no strands: use one of ad_strands"):
            await alpha.read_by_id("pg_user", "x")
        with pytest.raises(ContractError, match="unknown tag"):
            await alpha.read_recent_by_tags("ad_strands", ["dm:evaluate"])
        with pytest.raises(ContractError, match="unknown module 'beta'"):
            DirectTableCommunicator(database, "beta")

    with_database(database_url, body)


def test_keys_and_texts_of_a_message_never_become_statements(database_url):
    """One message created a superuser in the protocol as it was first written."""
    evil = "x'; create role mallory superuser login; --"

    async def body(database: Database) -> None:
        alpha = DirectTableCommunicator(database, "alpha")
        written = await alpha.write_with_tags(
            AdStrand(
                kind=evil, symbol=evil, trading_plan={evil: evil}, tags=("dm:evaluate_plan", f"from:{evil}")
            )
        )
        found = await alpha.read_by_id("ad_strands", written)
        assert (found.kind, found.trading_plan) == (evil, {evil: evil})
        assert [strand.id for strand in await alpha.read_recent_by_tags("ad_strands", [f"from:{evil}"])] == [
            written
        ]
        assert await alpha.read_by_id("ad_strands", evil) is None

    with_database(database_url, body)
    assert rows(database_url, "select 1 from pg_roles where rolname = 'mallory'") == []


def test_a_plan_past_its_deadline_is_never_handled_and_who_waits_is_told(database_url):
    async def body(database: Database) -> None:
        alpha, heard, told = DirectTableCommunicator(database, "alpha"), Heard(), []

        async def fate(strand, what, reason, transaction):
            told.append((strand.trading_plan["number"], what))
            tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
            await transaction.write_with_tags(DmStrand(kind="decision", tags=tags))

        await alpha.write_many(
            [plan(1, "timeout:0"), plan(2, "timeout:300"), plan(3, "timeout:0", "priority:high")]
        )
        listener = ModuleListener(database, "dm", heard.handlers(), on_fate=fate, settings=QUICK)
        assert await listener.pump() == 3
        await listener.close()
        assert (heard.numbers, told) == ([2], [(3, "expired"), (1, "expired")])
        assert listener.counts == {"done": 1, "expired": 2, "retried": 0}

    with_database(database_url, body)
    assert rows(database_url, "select count(*) from ad_strands where tags @> '[\"error:expired\"]'") == [(2,)]
    assert rows(database_url, "select count(*) from dm_strands") == [(2,)]


def test_a_deadline_that_passes_while_others_are_handled_counts_too(database_url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()

        async def slow(strand, transaction):
            heard.strands.append(strand)
            await transaction.connection.execute("select pg_sleep(1.1)")

        await alpha.write_many([plan(1), plan(2, "timeout:1")])
        listener = ModuleListener(database, "dm", heard.handlers(dm_evaluate_plan=slow), settings=QUICK)
        await listener.pump()
        await listener.close()
        assert (heard.numbers, listener.counts["expired"]) == ([1], 1)

    with_database(database_url, body)


def test_a_poison_strand_is_marked_once_with_its_reason_and_the_others_go_on(database_url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()

        async def handle(strand, transaction):
            tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
            await transaction.write_with_tags(DmStrand(kind="decision", tags=tags))
            if strand.trading_plan["number"] == 1:
                raise DataError("cannot be read\0 at all")
            heard.strands.append(strand)

        await alpha.write_many([plan(number) for number in range(4)])
        listener = ModuleListener(database, "dm", heard.handlers(dm_evaluate_plan=handle), settings=QUICK)
        assert await listener.pump() == 4
        await listener.close()
        assert heard.numbers == [0, 2, 3]

    with_database(database_url, body)
    assert rows(database_url, MARKED)[1] == ("failed", "DataError: cannot be read at all", 1)
    assert rows(
        database_url, "select tags from ad_strands where tags @> '[\"error:processing_failed\"]'"
    ) == [(["dm:evaluate_plan", "error:processing_failed"],)]
    assert rows(database_url, "select count(*) from dm_strands") == [(3,)]  # nothing of the poison one


def test_what_the_database_refuses_is_tried_again_so_often_and_no_more(database_url):
    async def body(database: Database) -> None:
        alpha, tries = DirectTableCommunicator(database, "alpha"), []

        async def handle(strand, transaction):
            number = strand.trading_plan["number"]
            tries.append(number)
            if number == 1 or (number == 2 and tries.count(2) == 1):
                await transaction.connection.execute("select 1 / 0")

        await alpha.write_many([plan(number) for number in range(3)])
        listener = ModuleListener(database, "dm", Heard().handlers(dm_evaluate_plan=handle), settings=QUICK)
        async with asyncio.timeout(60):
            while listener.counts["done"] + listener.counts["failed"] < 3:
                await listener.pump()
        await listener.close()
        assert [tries.count(number) for number in range(3)] == [1, 3, 2]

    with_database(database_url, body)
    assert [row[0] for row in rows(database_url, MARKED)] == ["done", "failed", "done"]
    assert "division by zero" in rows(database_url, MARKED)[1][1]


def test_a_handler_that_never_comes_back_is_stopped_and_tried_again_a_few_times(database_url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()

        async def hang(strand, transaction):
            heard.strands.append(strand)
            await asyncio.Event().wait()

        await alpha.write_with_tags(plan(1))
        inbox = QUICK.inbox.model_copy(update={"lease_s": 0.1})
        settings = QUICK.model_copy(update={"inbox": inbox})
        listener = ModuleListener(database, "dm", heard.handlers(dm_evaluate_plan=hang), settings=settings)
        async with asyncio.timeout(60):
            while not listener.counts["failed"]:
                await listener.pump()
        await listener.close()
        assert heard.numbers == [1, 1, 1]

    with_database(database_url, body)


def test_a_strand_that_kills_whoever_handles_it_is_given_up_and_its_neighbours_are_not(database_url):
    async def body(database: Database) -> None:
        alpha, heard = DirectTableCommunicator(database, "alpha"), Heard()
        await alpha.write_many([plan(number) for number in range(3)])

        class Killed(BaseException):
            pass

        async def handle(strand, transaction):
            if strand.trading_plan["number"] == 0:
                raise Killed
            heard.strands.append(strand)

        for _ in range(10):
            listener = ModuleListener(
                database, "dm", heard.handlers(dm_evaluate_plan=handle), exclusive=True, settings=QUICK
            )
            try:
                await listener.pump()
            except Killed:
                await listener._inbox.connection.close()  # gone, without a word to give back
            else:
                await listener.close()
                break
        assert sorted(heard.numbers) == [1, 2]

    with_database(database_url, body)
    assert [row[0] for row in rows(database_url, MARKED)] == ["failed", "done", "done"]


def test_a_strand_that_is_gone_is_marked_in_the_inbox(database_url):
    async def body(database: Database) -> None:
        written = await DirectTableCommunicator(database, "alpha").write_with_tags(plan(1))
        rows(database_url, "delete from ad_strands where id = %s returning id", (written,))
        listener = ModuleListener(database, "dm", Heard().handlers(), settings=QUICK)
        await listener.pump()
        await listener.close()
        assert listener.counts["failed"] == 1

    with_database(database_url, body)


def test_a_listener_needs_a_handler_for_each_tag_that_its_module_hears(database_url):
    database = Database(database_url)
    handlers = Heard().handlers("dm")
    with pytest.raises(ContractError, match="missing or foreign is dm:execution_feedback"):
        ModuleListener(database, "dm", {"dm:evaluate_plan": handlers["dm:evaluate_plan"]})
    with pytest.raises(ContractError, match="trader hears trader:execute_plan: missing or foreign"):
        ModuleListener(database, "trader", handlers)
    with pytest.raises(ContractError, match="cannot be a name"):
        ModuleListener(database, "dm", handlers, account=" ")


OTHER_FORMS = (
    ("update strand_protocol set version = 0", "strands of form 0, this role needs form 1: stop the roles"),
    ("update strand_protocol set version = 2", "form 2, this role knows form 1: start it with the newer"),
    ("drop table strand_protocol", "the database has no strands"),
)


def test_a_role_of_another_schema_does_not_start(database_url):
    async def body(database: Database) -> None:
        for change, said in OTHER_FORMS:
            with connect(database_url) as connection:
                connection.execute(change)
            with pytest.raises(SchemaMismatchError, match=said):
                await ModuleListener(database, "dm", Heard().handlers(), settings=QUICK).run()
            with pytest.raises(SchemaMismatchError, match=said):
                await DirectTableCommunicator(database, "dm").check_schema()

    with_database(database_url, body)


def test_nobody_at_the_start_is_an_error_in_one_line(tmp_path):
    async def body() -> None:
        database = Database(f"postgresql://postgres@/x?host={tmp_path}")
        with pytest.raises(StorageError):
            await ModuleListener(database, "dm", Heard().handlers(), settings=QUICK).run()

    asyncio.run(body())


def test_saying_the_same_again_gives_the_strand_that_was_written(database_url):
    """A writer that lost the database in mid-commit writes again, and doubles nothing."""

    async def body(database: Database) -> None:
        alpha, dm = DirectTableCommunicator(database, "alpha"), DirectTableCommunicator(database, "dm")
        trader = DirectTableCommunicator(database, "trader")
        first = await alpha.write_with_tags(plan(1))
        assert await alpha.write_with_tags(plan(1)) == first
        assert await alpha.write_with_tags(plan(1, "from:other")) != first
        written = await alpha.write_many([plan(1), plan(2), plan(1, kind="state")])
        assert (written[0], len(set(written))) == (first, 3)
        answers = [
            DmStrand(kind=kind, tags=(tag, f"original_strand:{first}"))
            for kind, tag in (
                ("decision", "alpha:decision_feedback"),
                ("execution_plan", "trader:execute_plan"),
            )
        ]
        assert await dm.write_many(answers) == await dm.write_many(answers)
        reports = [TrStrand(kind="execution", tags=("dm:execution_feedback", f"original_strand:{first}"))] * 2
        assert len(set(await trader.write_many(reports))) == 2  # who forwards reports knows what it forwarded

    with_database(database_url, body)
    assert rows(database_url, "select count(*) from dm_strands") == [(2,)]
