"""Databases out and in, by PostgreSQL's own programs from the wheel."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gal_friday_adapters.postgres.connect import connect, describe, libpq_url, url_parts, without_password
from gal_friday_adapters.postgres.server import binaries
from gal_friday_core.errors import StorageError


def dump(url: str, file: Path) -> None:
    """Write a database, as of one moment, in PostgreSQL's own archive format; others go on working meanwhile.

    Raises StorageError with what PostgreSQL said.
    """
    options = ["--format=custom", "--compress=6", "--no-owner", f"--file={file}"]
    _run("pg_dump", options, url, "cannot dump")


def load(url: str, file: Path) -> None:
    """Make a database hold what `dump` wrote, all of it or nothing: what stands there under the same names is replaced.

    Raises StorageError with what PostgreSQL said.
    """
    options = ["--no-owner", "--clean", "--if-exists", "--single-transaction", "--exit-on-error", str(file)]
    _run("pg_restore", options, url, "cannot restore")


def is_empty(url: str) -> bool:
    """Whether the database holds no table of anybody's. Raises StorageError where it cannot be reached."""
    with connect(url) as connection:
        found = connection.execute(
            "select 1 from pg_tables where schemaname not in ('pg_catalog', 'information_schema') limit 1"
        ).fetchone()
    return found is None


def exists(url: str, name: str) -> bool:
    """Whether the server has a database of that name. Raises StorageError where it cannot be reached."""
    with connect(url) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
    return found is not None


def _run(program: str, options: Sequence[str], url: str, failed: str) -> None:
    """The password goes by the environment: command lines are for everybody to read."""
    environment = {**os.environ, "LC_ALL": "C"}
    password = url_parts(url).get("password")
    if password is not None:
        environment["PGPASSWORD"] = password
    command = [
        str(binaries() / program),
        "--no-password",
        f"--dbname={libpq_url(without_password(url))}",
        *options,
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the wheel's own program on our own arguments
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise StorageError(f"{failed} {describe(url)}: {program} does not start: {error.strerror}") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise StorageError(f"{failed} {describe(url)}: {said}")
