"""Logins with the least rights that their work needs, for a PostgreSQL server of your own.

On the embedded server everybody who reaches its socket is the same user of this machine, so rights part nobody
there. Entry point: `create_login`.
"""

from typing import Final, Literal

import psycopg
from psycopg import sql

from gal_friday_adapters.postgres.connect import connect, describe, one_line
from gal_friday_core.errors import ConfigError, StorageError

Role = Literal["reader", "engine", "pipeline", "alpha", "dm", "trader"]
"""The last three are engines that play one part each of a split deployment."""

_ENGINE: Final = {"statement_timeout": "60s", "idle_in_transaction_session_timeout": "60s"}
SETTINGS: Final[dict[Role, dict[str, str]]] = {
    "reader": {
        "default_transaction_read_only": "on",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "60s",
    },
    "engine": _ENGINE,
    "alpha": _ENGINE,
    "dm": _ENGINE,
    "trader": _ENGINE,
    "pipeline": {"statement_timeout": "15min", "idle_in_transaction_session_timeout": "15min"},
}
"""Settings belong to who logs in: PostgreSQL does not inherit them from a role."""
SHORTEST_PASSWORD: Final = 12


def create_login(url: str, name: str, password: str, role: Role) -> None:
    """Make a login that may do what `role` may, and nothing else; one that is there gets password and settings anew.

    The server sees the password's SCRAM verifier only. `url` is that of a user who may create roles.
    Raises ConfigError for a password too short, StorageError where the server refuses.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigError(
            f"the password of {name} has fewer than {SHORTEST_PASSWORD} characters: choose a longer one"
        )
    group = f"gal_friday_{role}"
    try:
        with connect(url) as connection, connection.transaction():
            verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
            names = {"name": sql.Identifier(name), "group": sql.Identifier(group)}
            found = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
            if found is None:
                connection.execute(sql.SQL("create role {name}").format(**names))
            connection.execute(
                sql.SQL(
                    "alter role {name} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password {password}"
                ).format(**names, password=sql.Literal(verifier.decode()))
            )
            connection.execute(sql.SQL("grant {group} to {name}").format(**names))
            for setting, value in SETTINGS[role].items():
                connection.execute(
                    sql.SQL("alter role {name} set {setting} = {value}").format(
                        **names, setting=sql.Identifier(setting), value=sql.Literal(value)
                    )
                )
    except psycopg.Error as error:
        raise StorageError(f"cannot create login {name!r} on {describe(url)}: {one_line(error)}") from error
