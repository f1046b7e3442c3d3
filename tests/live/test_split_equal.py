"""A split engine trades as the whole one does: the same orders, to the last byte, on the same market."""

import asyncio
from decimal import Decimal

import msgspec

from tests.live.split import desk, orders, reports, stretches, whole
from tests.live.world import CALM, manager


def text(records):
    return [msgspec.json.encode(record, order="sorted").decode() for record in records]


def test_split_and_whole_engine_make_the_same_orders_on_the_same_market(database_url):
    config, played = manager(risk=CALM), stretches()

    async def main():
        alone, engine = await whole(config, played)
        async with desk(database_url, config, played) as split:
            await split.play()
            trader = split.trader.journal
            assert text(await orders(trader)) == text(await orders(alone))
            assert text(await reports(trader)) == text(await reports(alone))
            assert len(await orders(trader)) > 5
            for role in split.roles.values():
                assert role.portfolio.funds.balances() == engine.portfolio.funds.balances()
                assert role.portfolio.equity == engine.portfolio.equity
                assert role.portfolio.fills == engine.portfolio.fills

    asyncio.run(main())


def test_two_alphas_under_one_decision_maker_keep_the_one_budget_of_one_engine(database_url):
    tight = CALM | {"max_total_exposure": 0.3, "max_pair_exposure": 0.25}
    config, played = manager(risk=tight), stretches(150, both=True)
    bitcoin, ether = played

    async def main():
        alone, engine = await whole(config, played)
        bitcoin_only, _ = await whole(config, [bitcoin])
        async with desk(database_url, config, played, {"btc": [bitcoin], "eth": [ether]}) as split:
            await split.play()
            sent = await orders(split.trader.journal)
            assert text(sent) == text(await orders(alone))
            with_ether, without = first_buy(sent), first_buy(await orders(bitcoin_only))
            assert with_ether["created_at"] == without["created_at"]
            assert Decimal(with_ether["quantity"]) < Decimal(without["quantity"]) / 3  # ether took the rest
            for name, pair, others in (("btc", "BTC/USD", "ETH/USD"), ("eth", "ETH/USD", "BTC/USD")):
                alpha = split.roles[name]
                assert alpha.portfolio.position(pair) == engine.portfolio.position(pair)
                heard = {report["trading_pair"] for report in await own_reports(alpha)}
                assert others not in heard

    asyncio.run(main())


async def own_reports(role):
    return await reports(role.base.ports.journal)


def first_buy(sent, pair="BTC/USD"):
    return next(order for order in sent if order["side"] == "BUY" and order["trading_pair"] == pair)
