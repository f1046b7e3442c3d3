"""A worker of the pipeline: `python -m gal_friday_assets.worker`, on as many machines as there are.

It executes runs that Dagster's daemon sends through the broker, and needs what a run needs: this software at the same
path as the daemon's, the same configuration, PostgreSQL, and the lake and the artifacts of all. Its own home holds the
output of its runs and nothing that others read.
"""

import argparse
import os
import sys
from typing import NoReturn

from gal_friday_adapters.paths import dagster_home
from gal_friday_assets.instance import SOURCE_ROOT, configured, prepare_home
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, GalFridayError

REFUSED = 2


def become(config: Config, name: str, places: int) -> NoReturn:
    """Prepare this worker's home and replace this process by Celery's. Raises GalFridayError."""
    if config.dagster.launcher != "celery":
        raise ConfigError(
            f"dagster.launcher is {config.dagster.launcher}: a worker serves celery; see docs/scale-out.md"
        )
    if (url := config.storage.database_url) is None:
        raise ConfigError("storage.database_url is unset: workers and daemon share one PostgreSQL, name it")
    env = prepare_home(dagster_home(config), url.get_secret_value(), config.dagster)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SOURCE_ROOT), os.environ.get("PYTHONPATH"))))
    os.chdir(env["DAGSTER_HOME"])
    command = [
        sys.executable, "-m", "celery", "--app", "gal_friday_assets.celery_app", "worker",
        "--hostname", f"{name}@%h", "--concurrency", str(places), "--pool", "prefork", "--loglevel", "INFO",
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    os.execve(sys.executable, command, {**os.environ, **env})  # noqa: S606 - our own command line


def main(arguments: list[str]) -> int:
    """Become the worker; returns, with what was wrong in one line, only when that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m gal_friday_assets.worker", description=__doc__)
    parser.add_argument("--name", default="worker", help="unlike any other worker's on this machine")
    parser.add_argument(
        "--places", type=int, default=1, help="runs that it executes at once, such as one a core"
    )
    asked = parser.parse_args(arguments)
    try:
        become(configured(), asked.name, asked.places)
    except GalFridayError as error:
        sys.stderr.write(f"worker: {error}\n")
        return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
