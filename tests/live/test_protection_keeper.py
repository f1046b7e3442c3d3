"""Stop and target as one, on a venue where both cannot rest: no moment unprotected, no sale twice."""

import asyncio
from decimal import Decimal

import pytest

from gal_friday_core.errors import ExchangeError, StorageError
from gal_friday_core.times import SECOND_NS
from tests.live.protected import Setting
from tests.live.scripted_exchange import PAIR, stop_for


def purposes(client):
    return [one.order.purpose for one in client.blotter.records()]


async def test_an_entry_is_protected_by_the_stop_that_the_venue_attaches_and_by_no_other():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    assert setting.venue.base == setting.venue.open_stops() == 1
    assert purposes(client) == ["ENTRY", "STOP"]
    assert client.keeper.placed == {}
    assert client.keeper.unprotected() == ()


async def test_a_venue_that_attaches_nothing_gets_a_stop_of_ours():
    setting = Setting()
    client = await setting.client(attached_stop=False)
    setting.venue.place = place_without_stop(setting.venue)
    await client.approve()
    assert setting.venue.open_stops() == 1
    assert client.keeper.placed == {"STOP": 1}
    placed = next(one.order for one in client.blotter.records() if one.order.purpose == "STOP")
    assert (placed.trigger_price, placed.parent) == (
        90,
        client.blotter.get(placed.parent).order.client_order_id,
    )


async def test_the_deadline_of_protection_follows_the_configured_one():
    setting = Setting()
    client = await setting.client(attached_stop=False)
    setting.venue.place = place_without_stop(setting.venue)
    client.execution.deadline_ns = 60 * SECOND_NS  # as where the market's clock is fast
    await client.approve()
    placed = next(one.order for one in client.blotter.records() if one.order.purpose == "STOP")
    assert placed.deadline - placed.created_at == 24 * SECOND_NS


def place_without_stop(venue):
    from msgspec.structs import replace

    place = type(venue).place
    return lambda order, parent=None: place(venue, replace(order, stop_price=None), parent)


async def test_the_target_is_sold_once_every_stop_has_let_go():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    await client.market(110)
    assert setting.venue.base == 0
    assert setting.venue.open_stops() == 0
    assert purposes(client) == ["ENTRY", "STOP", "TARGET"]
    plan = [entry.record for entry in setting.journal.entries if entry.kind == "PROTECTION"]
    assert [(one["swap"], len(one["standing"])) for one in plan] == [("TARGET", 1)]


async def test_below_the_target_nothing_moves():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    await client.market("109.9")
    assert client.keeper.swaps == 0
    assert setting.venue.open_stops() == 1


async def test_what_the_target_did_not_take_gets_its_stop_back():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    setting.venue.liquidity = Decimal("0.4")
    await client.market(110)
    assert setting.venue.base == Decimal("0.6") == setting.venue.open_stops()
    assert client.keeper.placed == {"TARGET": 1, "STOP": 1}


async def test_a_target_that_missed_is_tried_again_only_after_a_pause():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    setting.venue.liquidity = Decimal("0.4")
    await client.market(110)
    await client.market(111)
    assert client.keeper.swaps == 1
    await client.later(6)
    assert client.keeper.swaps == 2
    assert setting.venue.base == Decimal("0.2") == setting.venue.open_stops()


async def test_an_exit_goes_once_the_stops_have_let_go():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    await client.approve("s2", "SELL")
    assert setting.venue.base == 0 == setting.venue.open_stops()
    assert purposes(client) == ["ENTRY", "STOP", "EXIT"]
    assert client.execution.refused == {}


async def test_an_exit_waits_for_a_target_that_is_on_its_way():
    setting = Setting(liquidity=Decimal("0.5"))
    client = await setting.client()
    await client.approve()
    await client.approve("again")
    submit, sent, answered = client.exchange.submit, asyncio.Event(), asyncio.Event()

    async def slowly(order):
        if order.purpose == "TARGET":
            sent.set()
            await answered.wait()
        await submit(order)

    client.exchange.submit = slowly
    reached = asyncio.ensure_future(client.market(110))
    await sent.wait()
    await client.approve_later("s2", "SELL")
    for _ in range(20):
        await asyncio.sleep(0)
    assert "EXIT" not in purposes(client)
    setting.venue.liquidity = Decimal("0.2")
    answered.set()
    await reached
    sold = [one.quantity for one in client.blotter.records() if one.order.purpose in ("TARGET", "EXIT")]
    assert sold == [Decimal(1), Decimal("0.8")]


async def test_an_exit_of_a_part_leaves_the_rest_protected():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    await client.approve("s2", "SELL", "0.3")
    assert setting.venue.base == Decimal("0.7") == setting.venue.open_stops()


async def test_crumbs_that_no_order_may_sell_are_told_once(caplog):
    caplog.set_level("INFO", logger="gal_friday_live.protection_keeper")
    setting = Setting()
    client = await setting.client()
    await client.approve()
    await client.approve("s2", "SELL", "0.995")
    for price in (101, 102, 103):
        await client.market(price)
        client.keeper.check()
        await client.quiet()
    assert setting.venue.base == Decimal("0.005")
    assert [record.getMessage() for record in caplog.records] == [
        f"{PAIR}: 0.005 is too little for any order of the venue"
    ]


async def test_an_exit_of_an_entry_that_still_fills_ends_the_entry_first():
    setting = Setting(liquidity=Decimal("0.5"))
    client = await setting.client()
    await client.approve()
    setting.venue.liquidity = None
    await client.approve("s2", "SELL", "0.5")
    assert setting.venue.base == 0
    assert client.blotter.entries() == []


async def test_an_exit_that_the_stop_overtook_is_ended_by_name():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    setting.venue.trade(89)  # nobody has told the client yet
    await client.approve("s2", "SELL")
    assert setting.venue.base == 0
    (told,) = [one for one in client.reports if one.signal_id == "s2"]
    assert (told.order_status, told.error_message) == ("CANCELED", "POSITION_CLOSED")
    assert client.problems == []


async def test_a_stop_that_somebody_cancelled_is_placed_again():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    stop = next(one for one in setting.venue.orders.values() if one.parent)
    setting.venue.end(stop, "CANCELED", "cancel all after")  # the dead man's switch takes stops too
    await client.quiet()
    assert setting.venue.open_stops() == 1
    assert client.keeper.placed == {"STOP": 1}


async def test_a_stop_that_cannot_stand_is_not_placed_again_and_again_without_a_pause():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    place = setting.venue.place

    def where_nobody_buys(order, parent=None):
        resting = place(order, parent)
        setting.venue.end(resting, "CANCELED", "insufficient liquidity")
        return resting

    setting.venue.place = where_nobody_buys
    (stop,) = [one for one in setting.venue.orders.values() if one.parent and one.is_open]
    setting.venue.end(stop, "CANCELED")
    await client.quiet()
    assert client.keeper.placed == {"STOP": 2}
    await client.later(1)
    assert client.keeper.placed == {"STOP": 3}
    del setting.venue.place
    await client.later(1)
    assert client.keeper.placed == {"STOP": 4}
    assert setting.venue.open_stops() == 1


async def test_below_the_stop_what_is_bare_is_sold_at_market():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    setting.venue.price = Decimal(89)
    stop = next(one for one in setting.venue.orders.values() if one.parent)
    setting.venue.end(stop, "CANCELED")
    await client.quiet()
    assert setting.venue.base == 0
    assert client.keeper.placed == {"EXIT": 1}


async def test_where_nobody_buys_what_is_bare_rests_as_an_offer_until_somebody_does():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    place = setting.venue.place

    def where_nobody_buys(order, parent=None):
        if order.order_type == "LIMIT":
            return place(order, parent)
        setting.venue.place, now = place, setting.venue.liquidity
        setting.venue.liquidity = Decimal(0)
        resting = place(order, parent)
        setting.venue.liquidity, setting.venue.place = now, where_nobody_buys
        setting.venue.end(resting, "CANCELED", "insufficient liquidity")
        return resting

    setting.venue.place, setting.venue.price = where_nobody_buys, Decimal(89)
    (stop,) = [one for one in setting.venue.orders.values() if one.parent and one.is_open]
    setting.venue.end(stop, "CANCELED")
    await client.quiet()
    (offer,) = [one for one in setting.venue.orders.values() if one.is_open]
    assert (offer.order.order_type, offer.order.limit_price, offer.left) == ("LIMIT", Decimal(90), Decimal(1))
    assert client.keeper.placed == {"EXIT": 1, "STOP": 1}
    await client.later(1)
    assert offer.is_open  # each time it gives way costs the venue's rate limit
    setting.venue.place = place
    await client.later(5)
    assert setting.venue.base == 0
    assert client.keeper.placed == {"EXIT": 2, "STOP": 1}


async def test_a_stop_that_nobody_told_of_is_found_before_another_is_placed():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    stop = next(one for one in setting.venue.orders.values() if one.parent)
    before = client.blotter.get(stop.name)
    setting.venue.end(stop, "CANCELED")  # the venue replaces it, and only its open orders show the new one
    again = setting.venue.place(stop_for(stop.parent.order, Decimal(1), 0), parent=stop.parent)
    client.exchange.inbox = type(client.exchange.inbox)([client.exchange.inbox[0]])
    client.keeper._unverified.add(PAIR)
    await client.quiet()
    assert not before.is_open
    assert client.keeper.placed == {}
    assert client.blotter.get(again.name).is_open


async def test_protection_that_the_venue_refuses_blocks_the_pair_and_is_tried_again():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    stop = next(one for one in setting.venue.orders.values() if one.parent)
    client.exchange.script.extend(["refused", "refused"])
    setting.venue.end(stop, "CANCELED")
    await client.quiet()
    assert client.gate.why(PAIR)[0] == "UNPROTECTED"
    assert client.keeper.unprotected() == (PAIR,)
    assert client.triggers == ["UNPROTECTED"]
    await client.later(2)
    assert setting.venue.open_stops() == 0
    await client.later(3)
    assert setting.venue.open_stops() == 1
    assert client.gate.why(PAIR) is None
    assert client.keeper.unprotected() == ()


async def test_a_stop_that_never_arrived_is_placed_again_a_second_after_its_deadline():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    stop = next(one for one in setting.venue.orders.values() if one.parent)
    client.exchange.script.append("lost request")
    setting.venue.end(stop, "CANCELED")
    await client.quiet()
    assert client.keeper.placed == {"STOP": 2}
    assert client.exchange.asked == 4  # a second each: two of deadline, one of margin, one to be past it
    assert setting.venue.open_stops() == 1


@pytest.mark.parametrize("amends", [True, False])
async def test_a_fill_too_small_for_a_stop_of_its_own_joins_another(amends):
    setting = Setting(liquidity=Decimal("0.995"))
    client = await setting.client(amends=amends)
    await client.approve()
    entry = next(one for one in setting.venue.orders.values() if one.order.side == "BUY")
    small = entry.order
    entry.order = small.__class__(
        **{**{n: getattr(small, n) for n in small.__struct_fields__}, "stop_price": None}
    )
    setting.venue.fill(entry, entry.left)
    await client.quiet()
    assert setting.venue.base == 1 == setting.venue.open_stops()


async def test_a_halt_ends_entries_and_keeps_the_stop():
    setting = Setting(liquidity=Decimal("0.5"))
    client = await setting.client()
    await client.approve()
    setting.halted = True
    await client.bus.publish(
        "SYSTEM_STATE_CHANGE",
        {"new_state": "HALTED", "reason": "MANUAL_HALT_COMMAND", "halt_action": "CANCEL_ENTRIES"},
    )
    await client.quiet()
    assert client.blotter.entries() == []
    assert setting.venue.base == Decimal("0.5") == setting.venue.open_stops()


async def test_an_exit_whose_stops_will_not_go_halts_after_two_minutes_and_says_so_once():
    setting = Setting()
    client = await setting.client()
    await client.approve()

    async def refuses(client_order_id):
        raise ExchangeError("ESession:Invalid session")

    async def hangs(client_order_id):
        await asyncio.Event().wait()

    client.exchange.cancel, client.exchange.find = refuses, hangs
    await client.approve_later("s2", "SELL")
    for seconds, told in ((0, []), (119, []), (1, ["EXIT_STUCK"]), (300, ["EXIT_STUCK"])):
        client.clock.advance_to(client.clock.now_ns() + seconds * SECOND_NS)
        client.keeper.check()
        for _ in range(50):
            await client.exchange.pump()
            await asyncio.sleep(0)
        assert client.triggers == told
    assert setting.venue.open_stops() == 1 == client.held


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("script", [[], ["lost request"], ["lost response"]])
async def test_killed_between_a_durable_halt_and_its_cancels_the_next_engine_asks_for_them(keeps, script):
    setting = Setting(liquidity=Decimal(0))
    client = await setting.client()
    await client.approve()
    (entry,) = setting.venue.orders.values()
    await client.kill()
    setting.halted, setting.keeps_entries = True, keeps  # MAINTAIN_POSITIONS lets them stand
    await setting.client(script=script)
    assert entry.is_open == keeps


async def test_without_a_durable_plan_the_stop_stays():
    setting = Setting()
    client = await setting.client()
    await client.approve()

    async def full(kind, key, ts_ns, record):
        raise StorageError("no space left")

    client.journal.append = full
    setting.venue.trade(110)
    client.keeper.watch.on_book(PAIR, client.book(PAIR), 0, b"")
    assert setting.venue.open_stops() == 1
    assert client.keeper.swaps == 0


async def test_a_cancel_without_an_answer_is_asked_about_and_the_swap_goes_on():
    setting = Setting()
    client = await setting.client(script=["", "lost response"])
    await client.approve()
    await client.market(110)
    assert setting.venue.base == 0
    assert client.exchange.asked > 0 or client.keeper.placed == {"TARGET": 1}


async def test_a_cancel_that_never_arrived_is_asked_for_again():
    setting = Setting()
    client = await setting.client(script=["", "lost request"])
    await client.approve()
    await client.market(110)
    assert setting.venue.base == 0
    assert client.exchange.asked > 0
