"""Database addresses: their forms, how they are shown without secrets, and what a failed connection means."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from gal_friday_core.errors import StorageError

CONNECT_TIMEOUT_S = 5
URL_VARIABLE = "GAL_FRIDAY_DATABASE_URL"
_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def socket_url(directory: Path, database: str) -> str:
    """The address of a database behind a Unix socket in `directory`.

    >>> socket_url(Path("/run/gal friday"), "gal_friday")
    'postgresql://postgres@/gal_friday?host=/run/gal%20friday&port=5432'
    """
    return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(directory))}&port=5432"


def libpq_url(url: str) -> str:
    """The address without SQLAlchemy's driver name, as libpq and psycopg read it.

    >>> libpq_url("postgresql+psycopg2://ada@db/gal_friday")
    'postgresql://ada@db/gal_friday'
    """
    scheme, separator, rest = url.partition("://")
    return scheme.partition("+")[0] + separator + rest


def url_parts(url: str) -> dict[str, str]:
    """The parameters of an address as libpq names them: host, port, dbname, user, password and the rest.

    Raises StorageError when it is not a PostgreSQL address; the message does not show it.
    """
    bare = libpq_url(url)
    if not bare.startswith(("postgresql://", "postgres://")):
        raise StorageError(f"the database URL is not a PostgreSQL address; give it as {_FORM}")
    try:
        parts = {key: str(value) for key, value in conninfo_to_dict(bare).items() if value is not None}
    except psycopg.ProgrammingError:
        # libpq quotes the offending part, which may be the password: neither text nor cause goes on.
        raise StorageError(f"the database URL cannot be read; give it as {_FORM}") from None
    if not parts.get("port", "0").replace(",", "").isdigit():
        raise StorageError(f"the port in the database URL is not a number; give it as {_FORM}")
    return parts


def sqlalchemy_url(url: str, driver: Literal["psycopg", "psycopg2"]) -> str:
    """The same database for SQLAlchemy: `psycopg2` for Dagster's storage, `psycopg` for alembic.

    >>> sqlalchemy_url("postgresql://postgres@/dagster?host=/run/pg", "psycopg2")
    'postgresql+psycopg2://postgres@/dagster?host=/run/pg'
    """
    return f"postgresql+{driver}://" + _compose(url_parts(url))


def with_database(url: str, name: str) -> str:
    """Another database on the same server, with the same credentials."""
    return "postgresql://" + _compose({**url_parts(url), "dbname": name})


def with_setting(url: str, name: str, value: str) -> str:
    """The same database, with a setting of the server's for every connection.

    >>> with_setting("postgresql://ada@db/dagster", "synchronous_commit", "off")
    'postgresql://ada@db/dagster?options=-c%20synchronous_commit%3Doff'
    """
    parts = url_parts(url)
    options = f"{parts.get('options', '')} -c {name}={value}".strip()
    return "postgresql://" + _compose({**parts, "options": options})


def without_password(url: str) -> str:
    """The same address for a command line, which everybody on the machine may read.

    >>> without_password("postgresql://ada:secret@db:5433/gal_friday")
    'postgresql://ada@db:5433/gal_friday'
    """
    parts = url_parts(url)
    parts.pop("password", None)
    return "postgresql://" + _compose(parts)


def describe(url: str) -> str:
    """Which database, for messages: never the password.

    >>> describe("postgresql://ada:secret@db.example:5433/gal_friday")
    'database "gal_friday" on db.example:5433'
    """
    parts = url_parts(url)
    host = parts.get("host") or parts.get("hostaddr") or "the default socket"
    port = f":{parts['port']}" if "port" in parts and not host.startswith("/") else ""
    return f'database "{parts.get("dbname", parts.get("user", ""))}" on {host}{port}'


def connection_failed(error: psycopg.Error, url: str) -> StorageError:
    """One line: which database, what the server or network said, what to do."""
    said = one_line(error)
    if "password authentication failed" in said or "no password supplied" in said:
        advice = f"check user and password in {URL_VARIABLE}"
    elif "does not exist" in said and 'database "' in said:
        advice = f"create that database, or correct {URL_VARIABLE}"
    else:
        advice = f"start that server or correct {URL_VARIABLE}; unset, the embedded PostgreSQL is used"
    return StorageError(f"cannot use {describe(url)}: {said}; {advice}")


@contextmanager
def connect(url: str, **options: Any) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """One synchronous autocommit connection, closed on leaving. Raises StorageError when it cannot be made."""
    url_parts(url)
    try:
        connection = psycopg.connect(
            libpq_url(url), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, **options
        )
    except psycopg.Error as error:
        raise connection_failed(error, url) from error
    with connection:
        yield connection


def ensure_database(url: str, name: str) -> str:
    """Create database `name` on the server of `url` unless it is there; returns its address.

    Raises StorageError when the server cannot be reached or refuses.
    """
    try:
        with connect(url) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
            if found is None:
                made = sql.SQL("create database {} template template0 encoding 'UTF8'")
                connection.execute(made.format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        pass  # another process was quicker
    except psycopg.Error as error:
        raise StorageError(
            f"cannot create database {name!r} beside {describe(url)}: {one_line(error)}"
        ) from error
    return with_database(url, name)


def _compose(parts: Mapping[str, str]) -> str:
    """`user:password@host:port/database?…` from libpq's parameters; sockets and host lists go into the query."""
    rest = dict(parts)
    user, password = rest.pop("user", ""), rest.pop("password", None)
    database = rest.pop("dbname", "")
    account = quote(user, safe="") + (f":{quote(password, safe='')}" if password is not None else "")
    host = rest.get("host", "")
    place = ""
    if host and not host.startswith("/") and "," not in host:
        place = f"[{host}]" if ":" in host else host
        rest.pop("host")
        port = rest.pop("port", "")
        place += f":{port}" if port else ""
    query = "&".join(f"{key}={quote(value)}" for key, value in rest.items())
    return f"{account}{'@' if account else ''}{place}/{quote(database, safe='')}{'?' if query else ''}{query}"


def one_line(error: Exception) -> str:
    """A driver's message on one line, without its hint about a missing server."""
    text = " ".join(str(error).split())
    return text.removeprefix("connection failed: ").split(" Is the server running", 1)[0]
