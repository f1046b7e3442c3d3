"""Two accounts on one box and one database: each is traded as if the other were not there."""

import asyncio

import msgspec

from gal_friday_adapters.postgres.connect import connect
from gal_friday_live.ids import derived
from tests.live.split import desk, orders, stretches, whole
from tests.live.world import CALM, manager

OTHER = derived("session", "split", "another account")


def text(records):
    return [msgspec.json.encode(record, order="sorted").decode() for record in records]


def test_two_accounts_on_one_database_are_traded_as_each_alone(database_url):
    config = manager(risk=CALM)
    bitcoin, ether = stretches(80, both=True)

    async def main():
        alone = [(await whole(config, [played]))[0] for played in (bitcoin, ether)]
        async with (
            desk(database_url, config, [bitcoin]) as first,
            desk(database_url, config, [ether], account=OTHER) as second,
        ):
            bars = max(len(bitcoin.bars), len(ether.bars))
            for bar in range(bars):  # both at once: what one says must not be heard by the other
                await first.play(bar, bar + 1)
                await second.play(bar, bar + 1)
            for split, journal in zip((first, second), alone, strict=True):
                sent = await orders(split.trader.journal)
                assert text(sent) == text(await orders(journal))
                assert len(sent) > 2
                for role in split.roles.values():
                    assert role.portfolio.funds.balances() == split.trader.portfolio.funds.balances()

    asyncio.run(main())
    with connect(database_url) as connection:
        accounts = connection.execute("select account, count(*) from trader_inbox group by 1").fetchall()
    assert len(accounts) == 2
    assert all(count > 0 for _, count in accounts)
