"""The schema: alembic migrations under `migrations/versions`, applied once each, by one process at a time."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from gal_friday_adapters.postgres.connect import connect, describe, ensure_database, one_line, sqlalchemy_url
from gal_friday_core.errors import StorageError

__all__ = ["current", "ensure_database", "missing", "revisions", "upgrade"]

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x67616C66  # any fixed number: two upgrades of one database wait for each other


def upgrade(url: str, to: str = "head") -> list[str]:
    """Bring the database to the newest schema, or to an older one; returns the revisions applied now, in order.

    Raises StorageError when the database cannot be reached or keeps another text than UTF-8, or a migration
    fails; then nothing of that migration stays.
    """
    _require_unicode(url)  # and the reason why it cannot be reached in one line, before SQLAlchemy wraps it
    engine = create_engine(sqlalchemy_url(url, "psycopg"), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return _upgrade_locked(connection, to)
    except (SQLAlchemyError, psycopg.Error) as error:
        cause = getattr(error, "orig", None) or error
        raise StorageError(
            f"cannot bring {describe(url)} to the present schema: {one_line(cause)}"
        ) from error
    finally:
        engine.dispose()


def missing(url: str) -> list[str]:
    """The revisions that `upgrade` would apply, oldest first; nothing is changed. Raises StorageError as it does."""
    return revisions()[_place(current(url) or None, revisions()) :]


def current(url: str) -> str:
    """The revision that the database has; empty without a schema. Raises StorageError where it cannot be reached."""
    with connect(url) as connection:
        found = connection.execute("select to_regclass('alembic_version')").fetchone()
        if found is None or found[0] is None:
            return ""
        row = connection.execute("select version_num from alembic_version").fetchone()
    return "" if row is None else str(row[0])


def revisions() -> list[str]:
    """All revisions, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def _require_unicode(url: str) -> None:
    with connect(url) as connection:
        encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StorageError(
            f"{describe(url)} keeps text as {encoding}: make one with "
            "create database NAME template template0 encoding 'UTF8'"
        )


def _upgrade_locked(connection: Connection, to: str) -> list[str]:
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.commit()  # the lock belongs to the session, not to this transaction
    known = revisions()
    before = _applied(connection, known)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    return known[before : _applied(connection, known)]


def _applied(connection: Connection, known: list[str]) -> int:
    """How many of the known revisions the database has. Raises StorageError for one we do not know."""
    head = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return _place(head, known)


def _place(head: str | None, known: list[str]) -> int:
    if head is None:
        return 0
    if head not in known:
        raise StorageError(
            f"the database has schema {head}, which this version does not know: "
            "run the newer gal-friday that made it"
        )
    return known.index(head) + 1


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
