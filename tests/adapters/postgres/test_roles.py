"""What each login may do, on a real server: its work, and nothing else."""

import asyncio
import re
import uuid
from itertools import count
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from psycopg import errors, sql

from gal_friday_adapters.postgres.connect import connect, url_parts
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.experiments import ExperimentRepository, Outcome, Step
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.lease import AccountLease
from gal_friday_adapters.postgres.log_table import LogLine, LogTable
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.models import ModelMetadataRepository, NewModel, StageChange
from gal_friday_adapters.postgres.restrictions import RestrictionRepository
from gal_friday_adapters.postgres.retrainings import RetrainingRepository
from gal_friday_adapters.postgres.roles import SETTINGS, create_login
from gal_friday_adapters.postgres.session_records import SessionRecords
from gal_friday_adapters.signing import Signature
from gal_friday_core.drift.ladder import release
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.experiments.design import Design, Variant
from gal_friday_core.retraining.policy import Request

PASSWORD = "a long enough password"
ACCOUNT = str(uuid.UUID(int=7))
MODEL = NewModel(
    model_type="kraken:BTC-USD:1m", artifact="ab" * 32, size=1, schema_hash="s", data_version="d",
    code_version="c", config_hash="h", passed=True, reasons=(), metadata={}, metrics={"auc": 0.6}, actor="test",
)  # fmt: skip
SIGNATURE = Signature("cd" * 32, bytes(64))
CERTIFICATE = b'{"artifact_sha256": "%s", "model_type": "kraken:BTC-USD:1m", "passed": true}' % (b"ab" * 32)
TABLES = (
    "artifact", "artifact_signature", "model_type", "model_version", "metric", "stage_current", "stage_event",
    "sessions", "journal", "engine_lease", "log_entries", "alembic_version", "trial", "model_certificate",
    "model_restriction", "retraining_run", "retraining_event", "experiment", "experiment_variant",
    "experiment_event", "experiment_current", "experiment_assignment", "experiment_outcome",
    "strand_protocol", "strand_modules", "strand_told", "ad_strands", "dm_strands", "tr_strands", "alpha_inbox", "dm_inbox",
    "trader_inbox",
)  # fmt: skip
DENIED = re.compile("permission denied|must be owner")
_numbers = count(1)


class FixedClock:
    def now_ns(self):
        return 1_700_000_000_000_000_001


@pytest.fixture
def login(database_url, postgres):
    """The address of the database for a fresh login of a role; the logins are dropped afterwards."""
    made = []

    def make(role):
        name = f"{role} no. {next(_numbers)}"
        made.append(name)
        create_login(database_url, name, PASSWORD, role)
        return as_user(database_url, name, PASSWORD)

    yield make
    with connect(postgres.url("postgres")) as connection:
        # Who hung up may still be dropping temporary tables, which hold the role: wait for the last to be gone.
        connection.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = any (%s)", (made,)
        )
        for name in made:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def as_user(url, name, password=""):
    parts = url_parts(url)
    account = f"{quote(name)}:{quote(password)}" if password else quote(name)
    return f"postgresql://{account}@/{parts['dbname']}?host={quote(parts['host'])}&port={parts['port']}"


def run(url, body):
    async def conversation():
        async with Database(url) as database:
            return await body(database)

    return asyncio.run(conversation())


def register(url, model=MODEL):
    return run(url, lambda database: ModelMetadataRepository(database).register(model, SIGNATURE))


def refused(url, statement, *, error=errors.InsufficientPrivilege):
    with connect(url) as connection, pytest.raises(error) as told:
        connection.execute(statement)
    return str(told.value)


async def _trade(database):
    journal = PostgresJournal(database, ACCOUNT, FixedClock())
    await journal.begin("paper", config_hash="h", code_version="1")
    await journal.append("ORDER_INTENT", "o1", 1, {"pair": "BTC/USD"})
    journal.note("PREDICTION", "p1", 2, {"probability": 0.5})
    await journal.close()
    return [record.key async for record in journal.read(ACCOUNT)]


def test_the_reader_reads_everything_and_writes_nothing(login, database_url):
    register(database_url)
    url = login("reader")
    with connect(url) as connection:
        for table in TABLES:
            connection.execute(sql.SQL("select * from {}").format(sql.Identifier(table)))
    assert [model.model_id for model in run(url, lambda d: ModelMetadataRepository(d).versions())]
    assert run(url, lambda d: SessionRecords(d).written()) == []
    with connect(url) as connection:
        connection.execute(
            "set default_transaction_read_only = off"
        )  # anybody may, so the rights must hold alone
        for table in TABLES:
            for statement in (
                "delete from {}",
                "insert into {} default values",
                "truncate {}",
                "drop table {}",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(sql.SQL(statement).format(sql.Identifier(table)))
    assert "permission denied" in refused(
        url, f"begin read write; select take_engine_lease('{ACCOUNT}', 'me')"
    )


def test_the_reader_cannot_hold_the_database_up(login):
    with connect(login("reader")) as connection:
        shown = {
            name: connection.execute("select current_setting(%s)", (name,)).fetchone()[0]
            for name in SETTINGS["reader"]
        }
        assert shown == {
            "default_transaction_read_only": "on",
            "statement_timeout": "30s",
            "idle_in_transaction_session_timeout": "1min",
        }
        connection.execute("set statement_timeout = '10ms'")
        with pytest.raises(errors.QueryCanceled):
            connection.execute("select pg_sleep(30)")


def test_the_engine_does_all_its_work_with_its_own_rights(login, database_url):
    register(database_url)
    url = login("engine")

    async def work():
        held = AccountLease(url, ACCOUNT, holder="test")
        await held.take()
        async with Database(url) as database:
            journal = PostgresJournal(database, ACCOUNT, FixedClock(), fence=held.fence)
            await journal.begin("live", config_hash="h", code_version="1")
            await journal.append("ORDER_INTENT", "o1", 1, {"pair": "BTC/USD"})
            await journal.close()
            repository = ModelMetadataRepository(database)
            assert await repository.signatures(MODEL.artifact) == [SIGNATURE]
            assert (await repository.version("kraken:BTC-USD:1m@v1")).passed
            assert [row["session"] for row in await SessionRecords(database).written()] == [ACCOUNT]
        await held.release()
        return held.token

    assert asyncio.run(work()) == 1
    table = LogTable(url, run="test", keep_days=1)
    table.write([LogLine(ts_ns=1, level="INFO", source_module="test", message="hello")])
    table.close()
    assert upgrade(url) == []  # an engine looks at start whether the schema is its own


NOT_THE_ENGINE_S = (
    """
    insert into stage_event (model_id, model_type, stage, actor, reason, override, lock_version)
    values ('x', 'x', 'production', 'me', 'because', true, 1)
    """,
    "insert into artifact_signature (artifact, key, value) values ('x', 'x', '')",
    "insert into model_certificate (model_id, document, signature, key_id) values ('x', 'x', 'x', 'x')",
    """
    insert into experiment_event (experiment_id, action, state, actor, reason)
    values ('00000000-0000-4000-8000-000000000001', 'STARTED', 'RUNNING', 'me', 'because')
    """,
    """
    insert into model_restriction (model_type, model_id, step, size_factor, reason, actor)
    values ('x', 'x', 'release', 1, 'because', 'me')
    """,
    """
    insert into retraining_run (run_id, model_type, model_id, cause, cause_window, reason)
    values (gen_random_uuid(), 'x', 'x', 'drift', 'x', 'because')
    """,
    "insert into retraining_event (run_id, state) values (gen_random_uuid(), 'PROMOTED')",
    """
    insert into experiment_outcome (experiment_id, unit, variant, at_ns, value)
    values ('00000000-0000-4000-8000-000000000001', '1', 'a', 1, 1)
    """,
    """
    insert into experiment_assignment (experiment_id, unit, at_ns, variant, propensity)
    values ('00000000-0000-4000-8000-000000000001', '1', 1, 'a', '{}')
    """,
    "update experiment_current set state = 'STOPPED'",
    "update engine_lease set token = 1",
    "insert into ad_strands (kind) values ('signal')",
    "insert into dm_inbox (account, recipient, source, strand_id, tag, high) values ('a', 'dm', 'ad_strands', 'x', 'dm:evaluate_plan', false)",
    "update trader_inbox set state = 'waiting'",
    "select clean_strands(1)",
    "delete from journal",
    "update journal set record = '{}'",
    "alter table journal disable trigger append_only",
    "create table mine (x int)",
    "select grant_roles()",
    "set role gal_friday_pipeline",
)


def test_the_engine_promotes_nothing_and_takes_back_nothing(login):
    url = login("engine")
    for statement in NOT_THE_ENGINE_S:
        assert DENIED.search(refused(url, statement)), statement


async def _experiment(database, model_id):
    """From its design to an outcome."""
    repository = ExperimentRepository(database)
    other, _ = await ModelMetadataRepository(database).register(
        msgspec.structs.replace(MODEL, artifact="e" * 64), SIGNATURE
    )
    variants = (Variant(name="a", model_id=model_id), Variant(name="b", model_id=other))
    design = Design(name="night", series="kraken:BTC-USD:1m", variants=variants)
    await repository.add("00000000-0000-4000-8000-000000000001", design, "0" * 32, "pipeline")
    stored = await repository.named("night")
    await repository.step(stored, Step(action="STARTED", state="RUNNING", actor="pipeline", reason="because"))
    assert (
        await repository.record(stored.experiment_id, [Outcome(unit="1", variant="a", at_ns=1, value=0.5)])
        == 1
    )
    assert [one.state for one in await repository.all()] == ["RUNNING"]


async def _retraining(database, model_id):
    """A step of the ladder, and a retraining from its request on."""
    await RestrictionRepository(database).add(
        [release("kraken:BTC-USD:1m", model_id, actor="pipeline", reason="because")]
    )
    runs = RetrainingRepository(database)
    asked = Request(
        model_type="kraken:BTC-USD:1m", model_id=model_id, cause="schedule", window="w", reason="because"
    )
    run = await runs.request(asked, lambda _: "")
    assert await runs.step(run.run_id, "STARTED", "because")


def test_the_lists_above_know_every_table(database_url):
    with connect(database_url) as connection:
        found = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    assert {name for (name,) in found} == set(TABLES)


def test_the_pipeline_registers_and_promotes_with_its_own_rights(login):
    url = login("pipeline")

    async def work(database):
        repository = ModelMetadataRepository(database)
        model_id, _ = await repository.register(MODEL, SIGNATURE)
        await repository.add_certificate(model_id, CERTIFICATE, SIGNATURE)
        change = StageChange(model_id=model_id, stage="production", actor="pipeline", reason="gates passed")
        await _experiment(database, model_id)
        await _retraining(database, model_id)
        return (await repository.promote(change)).model.stage, await repository.history(model_id)

    stage, history = run(url, work)
    assert stage == "production"
    assert [event["stage"] for event in history] == ["development", "production"]


NOT_THE_PIPELINE_S = (
    f"""
    insert into sessions (session_id, mode, started_ns, config_hash, code_version)
    values ('{ACCOUNT}', 'live', 1, 'h', 'c')
    """,
    f"insert into journal (session, ts_ns, kind, key, record) values ('{ACCOUNT}', 1, 'HALT', 'x', '{{}}')",
    "delete from journal",
    f"select take_engine_lease('{ACCOUNT}', 'me')",
    "insert into engine_lease values (gen_random_uuid(), 1, 'me')",
    "update stage_current set stage = 'production'",
    "update model_version set passed = true",
    "update model_type set name = 'x'",
    "delete from stage_event",
    "delete from model_restriction",
    "update model_restriction set step = 'note'",
    "update retraining_run set cause = 'operator'",
    "delete from retraining_event",
    "update experiment_current set state = 'STOPPED'",
    "delete from experiment_outcome",
    "select check_experiment_event()",
    "delete from log_entries",
    "select apply_stage_event()",
    "set role gal_friday_engine",
)


def test_the_pipeline_touches_no_journal_no_lease_and_no_history(login):
    url = login("pipeline")
    for statement in NOT_THE_PIPELINE_S:
        assert DENIED.search(refused(url, statement)), statement


def test_a_table_of_its_own_does_not_get_a_refused_model_past_the_gate(login):
    """Triggers look at the registry's tables, whatever the search path of who writes shows first."""
    url = login("pipeline")
    register(
        url, NewModel(**{name: getattr(MODEL, name) for name in MODEL.__struct_fields__} | {"passed": False})
    )
    with connect(url) as connection:
        connection.execute(
            "create temporary table model_version as select model_id, true as passed from public.model_version"
        )
        connection.execute("create temporary table stage_current as select * from public.stage_current")
        connection.execute(
            "create temporary table model_certificate as select 1 as seq, 'kraken:BTC-USD:1m@v1' as model_id,"
            " %s::bytea as document",
            (CERTIFICATE,),
        )
        for stage, said in (
            ("staging", "did not pass its validation gates"),
            ("production", "no certificate that passed"),
        ):
            with pytest.raises(errors.IntegrityConstraintViolation, match=said):
                connection.execute(
                    "insert into stage_event (model_id, model_type, stage, actor, reason, override, lock_version)"
                    " values ('kraken:BTC-USD:1m@v1', 'kraken:BTC-USD:1m', %s, 'me', 'because', false, 1)",
                    (stage,),
                )


def test_a_table_of_its_own_does_not_get_a_fenced_engine_past_the_fence(login):
    url = login("engine")
    with connect(url) as connection:
        connection.execute(
            "insert into sessions (session_id, mode, started_ns, config_hash, code_version) values (%s, 'live', 1, 'h', 'c')",
            (ACCOUNT,),
        )
        for _ in range(2):
            connection.execute("select take_engine_lease(%s, 'me')", (ACCOUNT,))
        connection.execute(
            "create temporary table engine_lease as select account, 1::bigint as token from public.engine_lease"
        )
        with pytest.raises(psycopg.Error, match="lease 1 is out of date"):
            connection.execute(
                "insert into journal (session, ts_ns, kind, key, record, fence) values (%s, 1, 'X', 'x', '{}', 1)",
                (ACCOUNT,),
            )


def test_every_function_of_ours_has_a_fixed_search_path_and_is_nobody_s_to_call(database_url):
    with connect(database_url) as connection:
        functions = connection.execute(
            "select proname, prosecdef, array_to_string(proconfig, ' '), coalesce(proacl::text, 'PUBLIC')"
            " from pg_proc where pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert {name for name, *_ in functions} >= {"take_engine_lease", "check_stage_event", "grant_roles"}
    assert {name for name, definer, *_ in functions if definer} == {
        "take_engine_lease", "apply_stage_event", "apply_experiment_event", "mark_strand", "clean_strands",
        *(f"deliver_{tagged}{table}_strands" for tagged in ("", "tagged_") for table in ("ad", "dm", "tr")),
    }  # fmt: skip
    for name, _, path, rights in functions:
        assert re.fullmatch(r"search_path=pg_catalog, (public, )?pg_temp", path or ""), name
        assert not re.search(r"PUBLIC|[{,]=X", rights), name


def test_the_groups_cannot_log_in_and_members_have_no_power_over_the_server(login, database_url):
    login("reader")
    with connect(database_url) as connection:
        groups = connection.execute(
            "select rolname from pg_roles where rolname like 'gal\\_friday\\_%' and rolcanlogin"
        ).fetchall()
        powers = connection.execute(
            "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls from pg_roles"
            " where rolname like 'reader no. %'"
        ).fetchall()
        stored = connection.execute(
            "select rolpassword from pg_authid where rolname like 'reader no. %'"
        ).fetchall()
    assert groups == []
    assert set(powers) == {(False,)}
    assert all(password.startswith("SCRAM-SHA-256$") for (password,) in stored)


def test_a_login_may_be_made_again_with_another_password(login, database_url):
    name = url_parts(login("reader"))["user"]
    create_login(database_url, name, "another long password", "reader")
    with connect(database_url) as connection:
        assert connection.execute("select count(*) from pg_roles where rolname = %s", (name,)).fetchone() == (
            1,
        )


def test_a_short_password_and_a_server_that_refuses_are_one_line(login, database_url):
    with pytest.raises(ConfigError, match="fewer than 12 characters"):
        create_login(database_url, "ada", "hunter2", "reader")
    with pytest.raises(StorageError, match=r"cannot create login 'ada' on .*permission denied") as told:
        create_login(login("pipeline"), "ada", PASSWORD, "reader")
    assert PASSWORD not in str(told.value)


def test_who_may_not_create_roles_still_migrates_and_grants_what_is_there(postgres):
    """A hosted server, where the owner of the database is no administrator."""
    name = f"owner_{next(_numbers)}"
    with connect(postgres.url("postgres")) as admin:
        admin.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        admin.execute(sql.SQL("create database {0} owner {0}").format(sql.Identifier(name)))
        try:
            url = as_user(postgres.url(name), name)
            assert upgrade(url)[-1] >= "0007"
            with connect(url) as connection:
                assert connection.execute("select grant_roles()").fetchone() == (
                    [
                        f"gal_friday_{role}"
                        for role in ("reader", "engine", "pipeline", "alpha", "dm", "trader")
                    ],
                )
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
