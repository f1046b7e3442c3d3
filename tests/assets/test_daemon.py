"""Dagster's daemon as ours: its code servers stay while they live, its questions share connections and are few."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.constants import GrpcServerCommand

from gal_friday_adapters.postgres.connect import connect
from gal_friday_assets import connections, daemon
from gal_friday_assets.daemon import StandingServers
from gal_friday_assets.instance import DATABASE, prepare_home
from gal_friday_assets.partitions import PAIR, pair_months

ORIGIN = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="some_code"), "some code")


class Server:
    """What a code server is to who keeps it: a process with an address."""

    made = 0

    def __init__(self, **_: object) -> None:
        type(self).made += 1
        self.hangs = False
        self.port, self.socket = self.made, None
        self.server_process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    def create_client(self) -> Self:
        return self

    def ping(self, echo: str) -> str:
        if self.hangs:
            raise DagsterUserCodeUnreachableError("no answer within a minute")
        return echo

    def shutdown_server(self) -> None:
        assert self.server_process.stdin is not None
        self.server_process.stdin.close()

    def wait(self) -> None:
        self.server_process.wait()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandingServers]:
    monkeypatch.setattr("dagster._grpc.server.GrpcServerProcess", Server)
    monkeypatch.setattr(Server, "made", 0)
    with StandingServers(
        None,
        GrpcServerCommand.API_GRPC,
        heartbeat_ttl=20,
        startup_timeout=60,
        wait_for_processes_on_shutdown=True,
    ) as found:
        yield found


def test_a_code_server_stays_while_it_lives_and_is_started_again_when_it_ended(servers: StandingServers):
    assert servers.get_grpc_endpoint(ORIGIN).port == 1
    servers.clear_all_grpc_endpoints()
    assert servers.get_grpc_endpoint(ORIGIN).port == 1
    process = servers.get_grpc_server_entry(ORIGIN).process
    process.server_process.kill()
    process.wait()
    servers.clear_all_grpc_endpoints()
    assert servers.get_grpc_endpoint(ORIGIN).port == 2


def test_a_code_server_that_hangs_is_ended_and_replaced(servers: StandingServers):
    hung = servers.get_grpc_server_entry(ORIGIN).process
    hung.hangs = True
    servers.clear_all_grpc_endpoints()
    hung.wait()
    assert servers.get_grpc_endpoint(ORIGIN).port == 2


def test_code_that_could_not_be_loaded_is_tried_again(
    servers: StandingServers, monkeypatch: pytest.MonkeyPatch
):
    def fail(**_: object) -> None:
        raise OSError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr("dagster._grpc.server.GrpcServerProcess", fail)
        assert "no memory" in servers.get_grpc_server_entry(ORIGIN).error.message
    servers.clear_all_grpc_endpoints()
    assert servers.get_grpc_endpoint(ORIGIN).port == 1


def test_questions_of_the_daemon_share_a_connection_and_its_servers_stand(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    seen: list[int] = []

    def run() -> None:
        with daemon.cli.get_instance_for_cli() as instance:
            for _ in range(3):
                with instance.event_log_storage.index_connection() as connection:
                    seen.append(connection.connection.dbapi_connection.info.backend_pid)

    monkeypatch.setattr("dagster._daemon.controller.GrpcServerRegistry", None)
    monkeypatch.setattr("dagster._daemon.cli.get_instance_for_cli", None)
    monkeypatch.setattr("dagster._daemon.cli.main", run)
    daemon.main()
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert daemon.controller.GrpcServerRegistry is StandingServers


def test_events_of_many_partitions_are_stored_together(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    letters = dg.StaticPartitionsDefinition(list("abcdefgh"))

    @dg.asset(partitions_def=letters, backfill_policy=dg.BackfillPolicy.single_run())
    def spelt() -> None:
        pass

    batches: list[int] = []
    with dg.DagsterInstance.get() as instance:
        store = type(instance.event_log_storage).store_event_batch

        def counted(storage: object, events: list[object]) -> None:
            batches.append(len(events))
            store(storage, events)

        monkeypatch.setattr(type(instance.event_log_storage), "store_event_batch", counted)
        tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "h"}
        job = dg.Definitions(assets=[spelt]).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, tags=tags).success
        assert instance.get_materialized_partitions(dg.AssetKey("spelt")) == set("abcdefgh")
    assert 8 in batches


def test_a_kept_connection_that_was_cut_is_replaced_before_it_is_used(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(connections, "IDLE_S", -1.0)
    cut = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = %s"
    with dg.DagsterInstance.get() as instance:
        connections.keep_connections(instance)
        assert instance.get_runs_count() == instance.get_runs_count()
        with connect(database_url) as other:
            other.execute(cut, (DATABASE,))
        assert instance.get_runs_count() >= 0


def test_what_the_schema_has_is_asked_once_and_what_it_lacks_again(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        storage, asked = instance.event_log_storage, []
        look = type(storage).has_table
        monkeypatch.setattr(type(storage), "has_table", lambda *of: asked.append(of[1]) or look(*of))
        connections.keep_connections(instance)
        for _ in range(2):
            assert storage.has_table("event_logs")
            assert not storage.has_table("of_a_later_version")
        assert asked == ["event_logs", "of_a_later_version", "of_a_later_version"]
        with connections.remembered_partitions(instance):
            assert not instance.has_dynamic_partition("pair", "new")
            instance.add_dynamic_partitions("pair", ["new"])
            assert instance.has_dynamic_partition("pair", "new")
            instance.delete_dynamic_partition("pair", "new")
            assert instance.has_dynamic_partition("pair", "new")
        assert not instance.has_dynamic_partition("pair", "new")


def test_months_of_pairs_are_listed_anew_only_where_a_pair_or_a_month_came():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PAIR, ["a"])
        with dg.partition_loading_context(datetime(2012, 5, 7, tzinfo=UTC), instance):
            before = pair_months.get_partition_keys()
            assert pair_months.get_partition_keys() is before
            assert list(before) == list(dg.MultiPartitionsDefinition.get_partition_keys(pair_months))
            assert pair_months.get_partition_keys(datetime(2012, 6, 1, tzinfo=UTC))[-1] == "2012-06|a"
            instance.add_dynamic_partitions(PAIR, ["b"])
            after = pair_months.get_partition_keys()
            assert len(after) == 2 * len(before)
            assert after[-1] == "2012-05|b"
