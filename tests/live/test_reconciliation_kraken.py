"""Reconciliation over the wire of a simulated Kraken: to the last digit, and over a restart."""

import asyncio
from decimal import Decimal

from gal_friday_core.venue.requests import AddOrder
from gal_friday_live.memory_journal import MemoryJournal
from tests.adapters.kraken.trading import PAIR, Now, client, order, served
from tests.adapters.simulated_kraken.running import KEY
from tests.live.account import desk

FAST = {"pause_s": 0.05, "order_margin_s": 0.0}


def at_kraken(kraken, journal):
    return desk(client(kraken), journal=journal, clock=Now(), **FAST)


async def ready(our):
    """The first price lets the account's coins in, and that opens the gate."""
    assert our.gate.why(PAIR)[1].endswith("BTC is not booked before its first price")
    compared = asyncio.Event()
    our.bus.subscribe("RECONCILIATION", lambda _: compared.set())
    await our.bar("30000")
    await compared.wait()
    assert our.gate.why(PAIR) is None


async def same(our):
    """Our books against the venue's balances, asset by asset."""
    theirs = await our.account.balances()
    return {
        asset: theirs.get(asset, Decimal(0)) - held for asset, held in our.portfolio.funds.balances().items()
    }


def by_hand(kraken, side, quantity, limit):
    """Somebody trades on our account, without us."""
    asked = AddOrder(
        symbol=PAIR, side=side, order_type="limit", order_qty=Decimal(quantity), limit_price=Decimal(limit),
        cl_ord_id="by-hand",
    )  # fmt: skip
    return kraken.exchange.trade(KEY, asked, "rest")


async def test_trades_of_ours_and_of_others_agree_to_the_last_digit():
    async with served() as kraken, at_kraken(kraken, MemoryJournal()) as our:
        await ready(our)
        our.execution.place(order(kind="MARKET", quantity="1.5", stop_price="29500.0"))
        by_hand(kraken, "buy", "0.7", "29990.0")
        await our.tasks.settle()
        told = await our.reconcile()
        assert our.service.clean, told
        assert set((await same(our)).values()) == {0}
        assert our.portfolio.position(PAIR).quantity == Decimal("3.5")
        listed = {facts.exchange_order_id for facts in await our.account.open_orders()}
        assert {record.exchange_order_id for record in our.execution.blotter.open()} == listed
        assert len(listed) == 3  # two stops and the order by hand
        assert our.triggers == []


async def test_what_happened_while_the_engine_was_down_is_found_at_the_next_start():
    journal = MemoryJournal()
    async with served() as kraken:
        async with at_kraken(kraken, journal) as our:
            await ready(our)
            resting = order(limit_price="29000.0")
            our.execution.place(resting)
            our.execution.place(order(kind="MARKET", quantity="0.5"))
            await our.tasks.settle()
            await our.reconcile()
            assert our.service.clean
            before = our.portfolio.state()
        by_hand(kraken, "sell", "0.4", "25000.0")
        async with at_kraken(kraken, journal) as again:
            assert again.service.clean, again.service.last
            assert set((await same(again)).values()) == {0}
            assert again.portfolio.position(PAIR).quantity == before.held(PAIR) - Decimal("0.4")
            assert again.execution.blotter.get(resting.client_order_id).status == "NEW"
            assert again.gate.why(PAIR) is None
            assert again.triggers == []
