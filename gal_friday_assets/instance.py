"""Dagster's instance: its home folder, its own database on our PostgreSQL server, and commands run in it.

`python -m gal_friday_assets.instance COMMAND…` prepares the home and becomes the command, so that web
server, daemon and any Dagster tool see the same instance as the pipeline:

    python -m gal_friday_assets.instance dagster-webserver -h 127.0.0.1 -p 3000
    python -m gal_friday_assets.instance dagster-daemon run

Nothing here imports Dagster: it starts at once.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

from gal_friday_adapters.paths import dagster_home
from gal_friday_adapters.postgres.connect import ensure_database, sqlalchemy_url, url_parts, with_setting
from gal_friday_assets.launchers import launching, launching_environment, monitoring
from gal_friday_core.config import Config
from gal_friday_core.dagster_settings import DagsterConfig
from gal_friday_core.errors import ConfigError, GalFridayError
from gal_friday_live.configuration import ConfigurationManager

DATABASE = "dagster"
"""Runs, events and schedules live in a database of their own, beside the registry's on the same server."""

URL_VARIABLE = "GAL_FRIDAY_DAGSTER_DATABASE_URL"
OURS = {"dagster-webserver": "gal_friday_assets.web", "dagster-daemon": "gal_friday_assets.daemon"}
"""Commands that become a module: the same with our reports; the same with code and connections that stay."""

EVENTS_AT_ONCE = 500
"""Materialisations of one run that are stored together; by default each is eight statements of its own."""

MAX_RUN_S = 6 * 3600
"""Of a run whose job says nothing else."""

WORKED_ON = ("dagster/partition", "dagster/asset_partition_range_start")
"""Tags that say what a run works on: two runs over the same do not write past each other."""


def prepare_home(home: Path, database_url: str, settings: DagsterConfig | None = None) -> dict[str, str]:
    """Write dagster.yaml and workspace.yaml, make sure the database exists; what child processes need as environment.

    `database_url` is the product's own. A password in it goes to the environment, never into a file; so does the
    address of a broker. Raises StorageError when the server cannot be reached, ConfigError for a launcher that is not
    installed.
    """
    settings = settings or DagsterConfig()
    # psycopg 3 refuses the NOTIFY that dagster-postgres sends, hence psycopg2.
    storage_url = sqlalchemy_url(_quick(ensure_database(database_url, DATABASE)), "psycopg2")
    secret = "password" in url_parts(database_url)
    home.mkdir(parents=True, exist_ok=True)
    _write(
        home / "dagster.yaml",
        instance_settings(home, {"env": URL_VARIABLE} if secret else storage_url, settings),
    )
    _write(home / "workspace.yaml", WORKSPACE)
    env = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DO_NOT_TRACK": "1",
        "DAGSTER_EVENT_BATCH_SIZE": str(EVENTS_AT_ONCE),
        "GAL_FRIDAY_DATABASE_URL": database_url,
        **launching_environment(settings),
    }
    return {**env, URL_VARIABLE: storage_url} if secret else env


def _quick(url: str) -> str:
    """Dagster writes dozens of events a second, none of which has to outlive a power cut; the registry waits for disks."""
    return with_setting(url, "synchronous_commit", "off")


SOURCE_ROOT = Path(__file__).resolve().parents[1]

WORKSPACE = {
    "load_from": [
        {
            "python_module": {
                "module_name": "gal_friday_assets.definitions",
                "attribute": "defs",
                # Dagster drops the first place where Python looks for modules, taking it for the folder of its own
                # script; under PYTHONSAFEPATH, which the launcher sets, that place is ours.
                "working_directory": str(SOURCE_ROOT),
                "location_name": "gal_friday",
            }
        }
    ]
}


def instance_settings(
    home: Path, postgres_url: str | dict[str, str], settings: DagsterConfig
) -> dict[str, Any]:
    """dagster.yaml as a value: JSON is YAML, so the standard library writes it."""
    return {
        "storage": {"postgres": {"postgres_url": postgres_url}},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},  # its modal would cover the page
        "local_artifact_storage": _local("storage.root", "LocalArtifactStorage", home / "storage"),
        "compute_logs": _local(
            "storage.local_compute_log_manager", "LocalComputeLogManager", home / "compute_logs"
        ),
        # No run is tried twice unless its job says that this does no harm (`jobs.limits`).
        "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
        "run_monitoring": {
            "enabled": True,
            "max_runtime_seconds": MAX_RUN_S,
            "free_slots_after_run_end_seconds": 60,
            **monitoring(settings),
        },
        "concurrency": {
            # One place in each pool: one question at a time to an exchange, one training at a time.
            "pools": {"granularity": "op", "default_limit": 1},
            "runs": {
                "max_concurrent_runs": settings.runs_at_once,
                "tag_concurrency_limits": [_one_each(tag) for tag in WORKED_ON],
            },
        },
        "retention": {"schedule": _ticks(), "sensor": _ticks()},
        "python_logs": {"python_log_level": "INFO"},
        **launching(settings),
    }


def _one_each(tag: str) -> dict[str, Any]:
    """Runs that have the same value of a tag come one after the other."""
    return {"key": tag, "limit": 1, "value": {"applyLimitPerUniqueValue": True}}


def _ticks() -> dict[str, Any]:
    return {"purge_after_days": {"skipped": 2, "failure": 30, "success": 30, "started": 30}}


def _local(module: str, kind: str, folder: Path) -> dict[str, Any]:
    return {"module": f"dagster._core.{module}", "class": kind, "config": {"base_dir": str(folder)}}


def _write(path: Path, value: dict[str, Any]) -> None:
    """Replace in one step: another process may be reading it."""
    text = json.dumps(value, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def configured() -> Config:
    """The configuration that the environment leads to. Raises ConfigError."""
    manager = ConfigurationManager(os.environ.get("GAL_FRIDAY_CONFIG") or None)
    manager.load_config()
    return manager.config


def become(command: list[str]) -> NoReturn:
    """Prepare the home from the environment and replace this process by the command. Raises GalFridayError."""
    config = configured()
    if (url := config.storage.database_url) is None:
        raise ConfigError("GAL_FRIDAY_DATABASE_URL is not set: start through `gal-friday up`, or set it")
    env = prepare_home(dagster_home(config), url.get_secret_value(), config.dagster)
    # Our web server, daemon and launcher are found in every folder.
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SOURCE_ROOT), os.environ.get("PYTHONPATH"))))
    if (ours := OURS.get(command[0])) is not None:
        command = [sys.executable, "-m", ours, *command[1:]]
    program = _found(command[0])
    os.chdir(env["DAGSTER_HOME"])  # web server and daemon find workspace.yaml there
    os.execve(program, command, {**os.environ, **env})  # noqa: S606 - our own command line


def _found(name: str) -> str:
    """The program of that name beside our interpreter, or on the path."""
    beside = Path(sys.executable).parent / name
    program = str(beside) if beside.exists() else shutil.which(name)
    if program is None:
        raise ConfigError(f"{name} is not installed beside {sys.executable}: install gal-friday[pipeline]")
    return program


def main(command: list[str]) -> int:
    """Become the command; returns, with what was wrong in one line, only when that cannot be."""
    if not command:
        sys.stderr.write("usage: python -m gal_friday_assets.instance COMMAND [ARGUMENT…]\n")
        return 2
    try:
        become(command)
    except GalFridayError as error:
        sys.stderr.write(f"dagster: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
