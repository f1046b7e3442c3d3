"""How full an inbox is and how long strands take through it, as the role itself tells it, with its own rights."""

import asyncio

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_adapters.strands.watch import InboxWatch
from gal_friday_core.errors import StorageError
from tests.adapters.strands.strand_parts import QUICK, Heard, plan, until
from tests.bounded import finished

AGE_S = 90


class Away:
    """A database that nobody reaches."""

    def __init__(self):
        self.asked = 0

    def connection(self):
        self.asked += 1
        raise StorageError("it is away")


def test_what_waits_since_when_and_how_long_it_took_is_told_with_a_roles_own_rights(database_url, logins):
    async def body():
        async with Database(logins["alpha"]) as alpha, Database(logins["dm"]) as dm:
            listener = ModuleListener(dm, "dm", Heard().handlers(), settings=QUICK)
            watch = InboxWatch(dm, listener.address, listener.counts)
            assert watch.readings() == {}
            assert (await watch.look()).waiting == 0
            await DirectTableCommunicator(alpha, "alpha").write_many([plan(number) for number in range(3)])
            with connect(database_url) as connection:
                connection.execute(
                    f"update dm_inbox set added_at = added_at - interval '{AGE_S} s' where seq = 1"
                )
            found = await watch.look()
            assert (found.waiting, found.handled_p50_s) == (3, None)
            assert AGE_S <= found.oldest_s < AGE_S + 60
            assert await listener.pump() == 3
            found = await watch.look()
            assert (found.waiting, found.oldest_s) == (0, 0.0)
            assert 0 < found.handled_p50_s < AGE_S <= found.handled_p99_s
            told = watch.readings()
            assert (told["done_total"], told["failed_total"], told["waiting"]) == (3.0, 0.0, 0.0)
            assert told["handled_p99_seconds"] == found.handled_p99_s
            await listener.close()

    asyncio.run(finished(body()))


def test_a_database_that_is_away_leaves_the_last_look_and_its_age(database_url):
    async def body():
        now = [100.0]
        async with Database(database_url) as database:
            listener = ModuleListener(database, "dm", Heard().handlers(), settings=QUICK)
            watch = InboxWatch(
                database, listener.address, listener.counts, every_s=0.01, timer=lambda: now[0]
            )
            async with watch:
                await until(lambda: watch.depth is not None)
                last = watch.depth
            watch._database = away = Away()
            now[0] = 130.0
            async with watch:
                await until(lambda: away.asked > 1)
            assert watch.depth is last
            assert watch.told()["looked_s"] == 30.0

    asyncio.run(finished(body()))
