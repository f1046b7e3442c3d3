"""A client that dies before any of its effects, and the one that comes after it: one order, each fill once, protected."""

from decimal import Decimal

import pytest

from gal_friday_core.errors import StorageError
from gal_friday_live.order_recovery import recover_orders
from tests.live.protected import Setting
from tests.live.scripted_exchange import PAIR

HALF = Decimal("0.5")


async def bought(client):
    """Half of the entry fills at once. A restarted strategy may propose the very same signal again."""
    client.venue.liquidity = HALF
    await client.approve()


async def bought_the_rest(client):
    for one in list(client.venue.orders.values()):
        if one.order.side == "BUY" and one.is_open:
            client.venue.fill(one, one.left)
    client.venue.liquidity = None
    await client.quiet()


async def partly_at_target(client):
    client.venue.liquidity = Decimal("0.4")
    await client.market(110)


async def back_again(client):
    client.venue.liquidity = None
    await client.market(100)


async def at_target_again(client):
    client.clock.advance_to(client.clock.now_ns() + 10**10)
    client.venue.liquidity = Decimal("0.3")
    await client.market(111)
    client.venue.liquidity = None


async def left(client):
    await client.approve("s2", "SELL", "0.1")


async def stopped_out(client):
    await client.market(89)


PHASES = (bought, bought_the_rest, partly_at_target, back_again, at_target_again, left, stopped_out)


async def live_through(setting, dies_at=None, **exchange):
    """All phases; a client that dies in one is followed by another that begins with the phase again."""
    client = await setting.client(dies_at, **exchange)
    effects = client.world.effects
    for phase in PHASES:
        await phase(client)
        effects = client.world.effects
        while client.world.dead:
            await client.kill()
            client = await setting.client(**exchange)
            check(setting, client)
            await phase(client)
        check(setting, client)
    return client, effects


def check(setting, client):
    """What must hold whenever all is quiet."""
    venue = setting.venue
    assert max(venue.accepted.values(), default=0) <= 1, "an order was sent twice"
    journalled = {entry.key for entry in setting.journal.entries if entry.kind == "ORDER_INTENT"}
    sent = {one.order.client_order_id for one in venue.orders.values() if one.parent is None}
    assert sent <= journalled, "an order without an intent"
    entries = {one.order.signal_id for one in venue.orders.values() if one.order.side == "BUY"}
    assert len(entries) <= 1
    assert client.held == venue.base, "a fill was missed, or counted twice"
    booked = [key for one in client.blotter.records() for key in one.executions]
    assert sorted(booked) == sorted(fill.execution_id for fill in venue.fills)
    assert client.keeper.unprotected() == ()
    if venue.price > 90:
        assert venue.open_stops() == venue.base, "something is held without a stop"
    assert client.blotter.unanswered() == []


async def count_effects(**exchange):
    setting = Setting()
    client, effects = await live_through(setting, **exchange)
    assert setting.venue.base == 0
    assert client.keeper.placed["TARGET"] == 2
    return effects


VENUES = [{}, {"attached_stop": True, "amends": True, "doubled": True}]


@pytest.mark.parametrize("venue", VENUES, ids=["plain", "telling twice"])
async def test_a_client_may_die_before_any_of_its_effects(venue):
    effects = await count_effects(**venue)
    assert effects > 40
    for dies_at in range(1, effects + 1):
        setting = Setting()
        await live_through(setting, dies_at, **venue)
        assert setting.venue.base == 0, dies_at


async def test_clients_may_die_one_after_another():
    for first in range(3, 40, 7):
        setting = Setting()
        client = await setting.client(first)
        for again in range(2, 12):
            await bought(client)
            if not client.world.dead:
                break
            await client.kill()
            client = await setting.client(again)
        while client.world.dead:
            await client.kill()
            client = await setting.client()
        await bought(client)
        check(setting, client)


async def test_an_intent_whose_order_never_left_is_given_up_and_not_sent_by_the_next_client():
    setting = Setting()
    client = await setting.client(dies_at=2)  # the intent is written, and nobody has heard of it
    await client.approve()
    assert [entry.kind for entry in setting.journal.entries] == ["ORDER_INTENT"]
    await client.kill()
    after = await setting.client()
    assert len(after.recovered.unknown) == 1
    assert [one.order_status for one in after.reports] == ["EXPIRED"]
    await after.approve()  # the same signal once more
    assert after.execution.refused == {"DUPLICATE_SIGNAL": 1}
    assert setting.venue.accepted == {}


async def test_an_order_that_was_accepted_before_the_end_is_taken_over_with_its_fills():
    setting = Setting()
    client = await setting.client(dies_at=4)  # accepted and filled; the answer finds nobody
    await client.approve()
    assert setting.venue.base == 1
    await client.kill()
    after = await setting.client()
    assert after.held == 1 == setting.venue.open_stops()
    assert after.gate.why(PAIR) is None
    assert [order.client_order_id for order in after.exchange.adopted] == list(after.recovered.unknown)


async def test_until_it_is_known_what_became_of_them_pairs_with_unknown_orders_are_blocked():
    setting = Setting()
    client = await setting.client(dies_at=2)
    await client.approve()
    await client.kill()
    journal = client.journal.kept
    fresh = client.execution.blotter.__class__()
    recovered = await recover_orders(journal, blotter=fresh)
    assert (recovered.orders, recovered.open, len(recovered.unknown)) == (1, 1, 1)
    assert [one.status for one in fresh.open()] == ["UNKNOWN"]


async def test_what_an_account_went_through_reads_back_as_it_was():
    setting = Setting()
    client, _ = await live_through(setting)
    after = await setting.client()
    for record in client.blotter.records():
        again = after.blotter.get(record.order.client_order_id)
        assert (again.status, again.filled, again.spent, again.quantity, again.executions) == (
            record.status, record.filled, record.spent, record.quantity, record.executions,
        )  # fmt: skip
    assert after.keeper.brackets.pairs() == client.keeper.brackets.pairs()
    assert after.reports == []


async def test_a_journal_line_that_is_no_order_stops_the_start_and_is_named():
    setting = Setting()
    await setting.journal.append("ORDER_INTENT", "broken", 1, {"client_order_id": "broken"})
    with pytest.raises(StorageError, match=r"journal line 1 \(ORDER_INTENT broken\) cannot be read"):
        await recover_orders(setting.journal, blotter=(await Setting().client()).blotter)
