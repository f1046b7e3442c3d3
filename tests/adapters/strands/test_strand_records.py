"""What an operator sees of strands on a real PostgreSQL, and a marked one that is tried again."""

import asyncio

import pytest
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.lease import lock_of
from gal_friday_adapters.strands.records import StrandRecords
from gal_friday_core.errors import ConfigError
from tests.bounded import finished


def written(database_url, table, kind, tags, **columns):
    """A strand's id, written as a module would."""
    names = ["kind", "tags", *columns]
    values = [kind, Jsonb(tags), *(Jsonb(value) for value in columns.values())]
    with connect(database_url) as connection:
        row = connection.execute(
            f"insert into {table} ({', '.join(names)}) values ({', '.join(['%s'] * len(values))}) returning id",
            values,
        ).fetchone()
        return row[0]


def changed(database_url, statement, *values):
    with connect(database_url) as connection:
        connection.execute(statement, values)


def asked(database_url, question):
    """The answer of one question."""
    told = []

    async def conversation():
        async with Database(database_url) as database:
            told.append(await question(StrandRecords(database)))

    asyncio.run(finished(conversation()))
    return told[0]


@pytest.fixture
def plan(database_url):
    tags = ["dm:evaluate_plan", "timeout:30", "from:trend"]
    return written(database_url, "ad_strands", "signal", tags, trading_plan={"signal_id": "s1"})


@pytest.fixture
def story(database_url, plan):
    """The ids of a plan, its verdict, its command and one fill, in that order."""
    answers = f"original_strand:{plan}"
    verdict = written(database_url, "dm_strands", "decision", ["alpha:decision_feedback", answers])
    command = written(database_url, "dm_strands", "execution_plan", ["trader:execute_plan", answers])
    feedback = ["alpha:execution_feedback", "dm:execution_feedback", f"original_strand:{command}"]
    return plan, verdict, command, written(database_url, "tr_strands", "execution", feedback)


def test_inboxes_say_what_waits_for_whom(database_url, story):
    depths = {(row["inbox"], row["recipient"]): row for row in asked(database_url, StrandRecords.depths)}
    assert depths.keys() == {("alpha_inbox", "trend"), ("dm_inbox", "dm"), ("trader_inbox", "trader")}
    assert [depths[key]["waiting"] for key in sorted(depths)] == [2, 2, 1]
    assert all(row["oldest_s"] > 0 for row in depths.values())


def test_a_story_is_told_by_any_of_its_strands_oldest_first(database_url, story):
    for strand in story:
        told = asked(database_url, lambda records, named=strand: records.story(named))
        assert [row["id"] for row in told] == list(story)
    assert [one["tag"] for one in told[3]["handled"]] == ["alpha:execution_feedback", "dm:execution_feedback"]
    assert told[0]["strand"]["trading_plan"] == {"signal_id": "s1"}


def test_a_story_whose_beginning_was_cleaned_away_is_told_from_what_is_left(database_url, story):
    changed(database_url, "delete from ad_strands where id = %s", story[0])
    told = asked(database_url, lambda records: records.story(story[3]))
    assert [row["id"] for row in told] == list(story[2:])


def test_an_unknown_strand_has_no_story(database_url):
    with pytest.raises(ConfigError, match="no strand nowhere"):
        asked(database_url, lambda records: records.story("nowhere"))


def mark(database_url, strand):
    """What a listener does with a strand that its handler cannot take."""
    changed(
        database_url,
        "update dm_inbox set state = 'failed', error = 'poison', attempts = 3, ended_at = now() where strand_id = %s",
        strand,
    )


def tags_of(database_url, strand):
    with connect(database_url) as connection:
        return connection.execute("select tags from ad_strands where id = %s", (strand,)).fetchone()[0]


def test_a_marked_strand_is_listed_and_waits_again_once_it_is_retried(database_url, plan):
    mark(database_url, plan)
    (failed,) = asked(database_url, StrandRecords.failed)
    assert (failed["strand_id"], failed["error"], failed["attempts"]) == (plan, "poison", 3)
    assert "error:processing_failed" in tags_of(database_url, plan)

    assert asked(database_url, lambda records: records.retry(plan)) == 1
    (waiting,) = asked(database_url, StrandRecords.depths)
    assert (waiting["waiting"], waiting["failed"]) == (1, 0)
    assert "error:processing_failed" not in tags_of(database_url, plan)
    assert asked(database_url, StrandRecords.failed) == []


def test_a_retried_strand_that_fails_again_is_marked_again(database_url, plan):
    mark(database_url, plan)
    asked(database_url, lambda records: records.retry(plan))
    mark(database_url, plan)
    assert tags_of(database_url, plan).count("error:processing_failed") == 1


def test_only_a_marked_strand_is_retried(database_url, plan):
    with pytest.raises(ConfigError, match="not marked"):
        asked(database_url, lambda records: records.retry(plan))
    changed(database_url, "update dm_inbox set state = 'done', ended_at = now()")
    with pytest.raises(ConfigError, match="not marked"):
        asked(database_url, lambda records: records.retry(plan))


def test_a_plan_that_was_refused_when_it_failed_is_not_tried_again(database_url, plan):
    mark(database_url, plan)
    refusal = written(
        database_url, "dm_strands", "decision", ["alpha:decision_feedback", f"original_strand:{plan}"]
    )
    with pytest.raises(ConfigError, match=f"answered by {refusal}"):
        asked(database_url, lambda records: records.retry(plan))
    assert "error:processing_failed" in tags_of(database_url, plan)
    (depth,) = [row for row in asked(database_url, StrandRecords.depths) if row["inbox"] == "dm_inbox"]
    assert (depth["waiting"], depth["failed"]) == (0, 1)


def test_a_command_that_was_reported_as_never_carried_out_is_not_tried_again(database_url, story):
    plan, _, command, _ = story
    changed(database_url, "update trader_inbox set state = 'failed', error = 'poison', ended_at = now()")
    reported = written(
        database_url, "tr_strands", "execution", ["alpha:execution_feedback", f"original_strand:{plan}"]
    )
    with pytest.raises(ConfigError, match=f"answered by {reported}"):
        asked(database_url, lambda records: records.retry(command))


def test_feedback_that_failed_is_tried_again(database_url, story):
    changed(
        database_url,
        "update alpha_inbox set state = 'failed', error = 'poison', ended_at = now() where source = 'tr_strands'",
    )
    assert asked(database_url, lambda records: records.retry(story[3])) == 1


def test_nobody_listened_and_nobody_traded_in_a_fresh_database(database_url):
    for question in (StrandRecords.modules, StrandRecords.leases, StrandRecords.depths, StrandRecords.failed):
        assert list(asked(database_url, question)) == []


def test_a_lease_is_held_while_its_lock_is_and_says_whose_it_is(database_url):
    session = "d8e29607-36b0-5723-897e-99c8d9daea4c"
    changed(database_url, "select take_engine_lease(%s, 'process 1')", session)
    changed(
        database_url,
        "insert into sessions (session_id, mode, started_ns, config_hash, code_version) values (%s, 'paper', 1, '', '')",
        session,
    )
    changed(
        database_url,
        "insert into journal (session, kind, key, ts_ns, record) values (%s, 'RUN', 'r', 1, %s)",
        session,
        Jsonb({"role": "alpha", "name": "trend"}),
    )
    (free,) = asked(database_url, StrandRecords.leases)
    with connect(database_url) as holder:
        holder.execute("select pg_advisory_lock(%s)", (lock_of(session),))
        (held,) = asked(database_url, StrandRecords.leases)
    assert (free["session"], free["held"], held["held"]) == (session, False, True)
    assert (free["role"], free["name"], free["holder"]) == ("alpha", "trend", "process 1")
