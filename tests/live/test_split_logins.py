"""Each role with a login of its own, which may do what that role does and nothing else; and whose session an account is."""

import asyncio
from itertools import count
from urllib.parse import quote

import pytest
from psycopg import sql

from gal_friday_adapters.postgres.connect import connect, url_parts
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.roles import create_login
from gal_friday_adapters.postgres.session_records import SessionRecords
from gal_friday_core.strands.tags import MODULES
from gal_friday_live.clock import SystemClock
from gal_friday_live.ids import derived
from tests.live.split import desk, orders, stretches
from tests.live.world import CALM, manager

PASSWORD = "a long enough password"
_numbers = count(1)


@pytest.fixture
def logins(database_url, postgres):
    """The address of the database by module; the logins are dropped afterwards."""
    names = {module: f"{module} {next(_numbers)} of a desk" for module in MODULES}
    parts = url_parts(database_url)
    for module, name in names.items():
        create_login(database_url, name, PASSWORD, module)
    yield {
        module: f"postgresql://{quote(name)}:{quote(PASSWORD)}@/{parts['dbname']}?host={quote(parts['host'])}&port={parts['port']}"
        for module, name in names.items()
    }
    with connect(postgres.url("postgres")) as connection:
        for name in names.values():
            connection.execute(
                "select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = %s", (name,)
            )
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_roles_with_logins_of_their_own_trade_as_with_all_rights(database_url, logins):
    played = stretches(120)

    async def main():
        async with desk(database_url, manager(risk=CALM), played, logins=logins) as split:
            await split.play()
            sent = await orders(split.trader.journal)
            assert [order["side"] for order in sent[:2]] == ["BUY", "SELL"]
            held = {name: role.portfolio.funds.balances() for name, role in split.roles.items()}
            assert held["trader"] == held["dm"] == held["alpha"]

    asyncio.run(main())


def test_an_account_is_its_traders_session_and_not_that_of_a_mirror(database_url):
    async def main():
        async with Database(database_url) as database:
            for mode in ("paper", "paper-dm", "paper-alpha"):
                journal = PostgresJournal(database, derived("session", mode), SystemClock())
                await journal.begin(mode, config_hash="0", code_version="test")
                await journal.append("RUN", "1", 1, {"mode": mode})
                await journal.close()
            return [row["mode"] for row in await SessionRecords(database).written()]

    assert asyncio.run(main()) == ["paper"]
