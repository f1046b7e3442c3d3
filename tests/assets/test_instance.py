import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from sqlalchemy import text

from gal_friday_assets.instance import URL_VARIABLE, main, prepare_home
from gal_friday_assets.runs import keep_connections


def test_home_without_a_password_stores_runs_in_postgresql(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    env = prepare_home(data_home / "dagster", database_url)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        instance.add_dynamic_partitions("pair", ["kraken:BTC-USD:1m"])
    assert URL_VARIABLE not in env
    assert env["DAGSTER_HOME"] == str(data_home / "dagster")


def test_only_dagsters_own_records_do_not_wait_for_the_disk(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance, instance.event_log_storage.index_connection() as connection:
        keep_connections(instance)
        assert connection.execute(text("show synchronous_commit")).scalar() == "off"
    with psycopg.connect(database_url) as own:
        assert own.execute("show synchronous_commit").fetchone() == ("on",)


def test_a_password_goes_to_the_environment_and_into_no_file(database_url: str, data_home: Path):
    home = data_home / "dagster"
    env = prepare_home(home, database_url.replace("postgres@", "postgres:hunter%202@", 1))
    written = "".join(path.read_text() for path in home.rglob("*") if path.is_file())
    assert "hunter" not in written
    assert json.loads((home / "dagster.yaml").read_text())["storage"]["postgres"]["postgres_url"] == {
        "env": URL_VARIABLE
    }
    assert "hunter%202" in env[URL_VARIABLE]


def test_the_second_preparation_changes_nothing(database_url: str, data_home: Path):
    home = data_home / "dagster"
    prepare_home(home, database_url)
    before = {path: path.stat().st_mtime_ns for path in home.iterdir()}
    prepare_home(home, database_url)
    assert {path: path.stat().st_mtime_ns for path in home.iterdir()} == before


def test_a_command_runs_in_the_instance(database_url: str, data_home: Path):
    (data_home / "x").mkdir()
    code = "import os; print(os.environ['DAGSTER_HOME'], os.getcwd())"
    done = subprocess.run(
        [sys.executable, "-m", "gal_friday_assets.instance", Path(sys.executable).name, "-c", code],
        env={"GAL_FRIDAY_DATA_DIR": str(data_home), "GAL_FRIDAY_DATABASE_URL": database_url},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(data_home / "dagster")] * 2


def test_the_web_server_starts_as_ours(database_url: str, data_home: Path):
    done = subprocess.run(
        [sys.executable, "-m", "gal_friday_assets.instance", "dagster-webserver", "--version"],
        env={"GAL_FRIDAY_DATA_DIR": str(data_home), "GAL_FRIDAY_DATABASE_URL": database_url},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"dagster-webserver, version {dg.__version__}\n"


@pytest.mark.parametrize(
    ("command", "url", "said"),
    [
        (["dagster-daemon"], "", "GAL_FRIDAY_DATABASE_URL is not set"),
        (["dagster-daemon"], "mysql://nowhere", "not a PostgreSQL address"),
        ([], "", "usage"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    command: list[str],
    url: str,
    said: str,
    *,
    data_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", url)
    assert main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_pools_have_one_place_and_runs_over_the_same_come_one_after_the_other(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        queue = instance.get_concurrency_config()
        assert queue.pool_config.default_pool_limit == 1
        assert queue.run_queue_config is not None
        limits = {limit["key"]: limit for limit in queue.run_queue_config.tag_concurrency_limits}
        assert set(limits) == {"dagster/partition", "dagster/asset_partition_range_start"}
        assert all(limit["value"] == {"applyLimitPerUniqueValue": True} for limit in limits.values())
        assert instance.run_retries_enabled
        assert instance.get_settings("run_retries")["max_retries"] == 0
        assert instance.run_monitoring_max_runtime_seconds > 0
