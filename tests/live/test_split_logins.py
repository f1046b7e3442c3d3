"""Each role with a login of its own, which may do what that role does and nothing else; and whose session an account is."""

import asyncio

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.session_records import SessionRecords
from gal_friday_live.clock import SystemClock
from gal_friday_live.ids import derived
from tests.live.split import desk, orders, stretches
from tests.live.world import CALM, manager


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
