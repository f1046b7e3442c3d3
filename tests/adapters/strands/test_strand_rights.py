"""What each module's login may do with strands, and which strands retention takes."""

import importlib.util
import json
from pathlib import Path

import pytest
from psycopg import errors

from gal_friday_adapters.postgres import migrate
from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.errors import StorageError
from gal_friday_core.strands.strands import AdStrand, DmStrand, TrStrand
from gal_friday_core.strands.tags import MODULES
from tests.adapters.strands.strand_parts import QUICK, Heard, plan, rows, with_database

NOT_THEIRS = {
    "alpha": (
        "insert into dm_strands (kind, tags) values ('execution_plan', '[\"trader:execute_plan\"]')",
        "insert into tr_strands (kind) values ('execution')",
        "update dm_inbox set state = 'done'",
        "select clean_strands(1)",
    ),
    "dm": (
        "insert into ad_strands (kind) values ('signal')",
        "insert into tr_strands (kind) values ('execution')",
        "update trader_inbox set state = 'done'",
    ),
    "trader": (
        "insert into ad_strands (kind) values ('signal')",
        "insert into dm_strands (kind) values ('decision')",
        "update alpha_inbox set state = 'done'",
        "select clean_strands(1)",
    ),
}
NOBODY_S = (
    "insert into {own} (id, kind) values ('mine', 'x')",
    "insert into {own} (kind, created_at) values ('x', now() - interval '1 day')",
    "update {own} set tags = '[]'",
    "delete from {own}",
    "insert into {inbox} (account, recipient, source, strand_id, tag, high) values ('a', 'b', 'ad_strands', 'c', 'd', false)",
    "update {inbox} set deadline = null",
    "delete from {inbox}",
    "delete from strand_modules",
    "update strand_protocol set version = 2",
    "alter table {own} disable trigger all",
    "select mark_strand()",
    "select grant_strand_roles()",
    "insert into stage_event (model_id) values ('x')",
)


def test_each_module_does_its_work_with_its_own_rights_and_nothing_else(logins):
    async def talk() -> None:
        heard = {module: Heard() for module in MODULES}
        async with (
            Database(logins["alpha"]) as alpha, Database(logins["dm"]) as dm, Database(logins["trader"]) as trader,
        ):  # fmt: skip
            databases = {"alpha": alpha, "dm": dm, "trader": trader}
            listeners = {
                module: ModuleListener(database, module, heard[module].handlers(module), settings=QUICK)
                for module, database in databases.items()
            }
            written = await DirectTableCommunicator(alpha, "alpha").write_with_tags(plan(1))
            late = await DirectTableCommunicator(alpha, "alpha").write_with_tags(plan(2, "timeout:0"))
            assert await listeners["dm"].pump() == 2
            original = f"original_strand:{written}"
            order = await DirectTableCommunicator(dm, "dm").write_with_tags(
                DmStrand(kind="execution_plan", tags=("trader:execute_plan", original))
            )
            assert await listeners["trader"].pump() == 1
            tags = ("alpha:execution_feedback", "dm:execution_feedback", f"original_strand:{order}")
            await DirectTableCommunicator(trader, "trader").write_with_tags(
                TrStrand(kind="execution", tags=tags)
            )
            assert [await listeners[module].pump() for module in MODULES] == [1, 1, 0]
            assert (await DirectTableCommunicator(trader, "trader").read_by_id("ad_strands", late)).tags[
                -1
            ] == ("error:expired")
            assert await DirectTableCommunicator(dm, "dm").clean(7) == 0
            with pytest.raises(StorageError, match="permission denied"):
                await DirectTableCommunicator(alpha, "dm").write_with_tags(DmStrand(kind="decision"))
            for listener in listeners.values():
                await listener.close()

    with_database(logins["alpha"], lambda _: talk())
    tables = {"alpha": "ad_strands", "dm": "dm_strands", "trader": "tr_strands"}
    for module, url in logins.items():
        refused = [
            *NOT_THEIRS[module],
            *(each.format(own=tables[module], inbox=f"{module}_inbox") for each in NOBODY_S),
        ]
        for statement in refused:
            with connect(url) as connection, pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)


def _aged(url, days):
    """Every strand that much older than it is."""
    with connect(url) as connection:
        for table in ("ad_strands", "dm_strands", "tr_strands"):
            connection.execute(
                f"update {table} set created_at = created_at - make_interval(days => %s)", (days,)
            )


def _left(url):
    statement = "select count(*) from {}"
    return [rows(url, statement.format(table))[0][0] for table in ("ad_strands", "dm_strands", "tr_strands")]


def test_retention_takes_finished_strands_by_days_and_leaves_what_is_going_on(database_url):
    async def body(database: Database) -> None:
        say = {module: DirectTableCommunicator(database, module) for module in MODULES}
        listeners = {
            module: ModuleListener(database, module, Heard().handlers(module), settings=QUICK)
            for module in MODULES
        }

        async def heard():
            for listener in listeners.values():
                await listener.pump()

        first = await say["alpha"].write_with_tags(plan(1))
        await heard()
        answers = [("decision", "alpha:decision_feedback"), ("execution_plan", "trader:execute_plan")]
        _, order = await say["dm"].write_many(
            [DmStrand(kind=kind, tags=(tag, f"original_strand:{first}")) for kind, tag in answers]
        )
        await heard()
        waiting = await say["alpha"].write_with_tags(plan(2))
        _aged(database_url, 30)
        assert await say["dm"].clean(31) == 0
        assert await say["dm"].clean(7) == 1  # the verdict: the order is at work, and both need their plan
        assert _left(database_url) == [2, 1, 0]
        tags = ("alpha:execution_feedback", "dm:execution_feedback", f"original_strand:{order}")
        for status in ("NEW", "FILLED"):
            await say["trader"].write_with_tags(
                TrStrand(kind="execution", tags=tags, tr_outcome={"order_status": status})
            )
        await heard()
        _aged(database_url, 30)
        assert await say["dm"].clean(7) == 5
        assert _left(database_url) == [0, 0, 0]
        # A stop that fills long after still finds the alpha that asked, though its plan is gone.
        _, _, recipient = await _feedback(say["trader"], database_url, tags)
        assert recipient == "alpha"
        assert waiting
        with pytest.raises(StorageError, match="kept for a day at least"):
            await say["dm"].clean(0)
        for listener in listeners.values():
            await listener.close()

    with_database(database_url, body)


async def _feedback(trader, url, tags):
    written = await trader.write_with_tags(TrStrand(kind="execution", tags=tags))
    [found] = rows(url, "select source, sender, recipient from alpha_inbox where strand_id = %s", (written,))
    return found


def test_what_nobody_handled_yet_stays_however_old(database_url):
    with connect(database_url) as connection:
        connection.execute("insert into ad_strands (kind, tags) values ('signal', '[\"dm:evaluate_plan\"]')")
        connection.execute("insert into ad_strands (kind) values ('note')")
    _aged(database_url, 4_000)
    assert rows(database_url, "select clean_strands(1)") == [(1,)]
    assert rows(database_url, "select kind from ad_strands") == [("signal",)]


def test_tags_that_are_added_later_are_delivered_and_only_those(database_url):
    with connect(database_url) as connection:
        insert = "insert into dm_strands (kind, tags) values ('execution_plan', %s) returning id"
        (strand,) = connection.execute(insert, (json.dumps(["priority:high"]),)).fetchone()
        connection.execute("update dm_strands set dm_decision = '{}' where id = %s", (strand,))
        for tag in ("trader:execute_plan", "timeout:9"):
            connection.execute(
                "update dm_strands set tags = tags || to_jsonb(%s::text) where id = %s", (tag, strand)
            )
    assert rows(database_url, "select high, deadline, state from trader_inbox") == [(True, None, "waiting")]


def test_plans_that_are_written_as_one_say_so_once(database_url):
    """A notification goes out a transaction, empty, however many strands it brings."""

    async def body(database: Database) -> None:
        hints = database.listen("dm_evaluate_plan")
        assert await anext(hints) == ""
        alpha = DirectTableCommunicator(database, "alpha")
        await alpha.write_many([plan(number) for number in range(20)])
        await alpha.write_with_tags(AdStrand(kind="note"))
        rows(database_url, "select pg_notify('dm_evaluate_plan', 'the end')::text")
        assert [await anext(hints), await anext(hints)] == ["", "the end"]
        await hints.aclose()

    with_database(database_url, body)


def test_an_older_server_makes_ids_of_the_same_form(database_url):
    """Version 7: made of the time, in order, as PostgreSQL 18 makes them itself."""
    path = Path(migrate.__file__).with_name("migrations") / "versions" / "0014_strands.py"
    spec = importlib.util.spec_from_file_location("strands_migration", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    looked = "select uuid_extract_version(id::uuid), abs(extract(epoch from now() - uuid_extract_timestamp(id::uuid)))"
    for made in (module.OWN_ID, module.NATIVE_ID):
        [(version, off)] = rows(database_url, f"{looked} from (select {made} as id) made")
        assert (version, off < 60) == (7, True)
