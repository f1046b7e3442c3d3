"""Orders with an unknown outcome: asked about, never sent again, never guessed."""

from decimal import Decimal

import pytest

from gal_friday_core.orders import Order
from gal_friday_core.times import SECOND_NS
from gal_friday_live import intents
from tests.live.protected import Setting
from tests.live.scripted_exchange import PAIR


async def test_an_order_whose_answer_was_lost_is_found_with_its_fills():
    setting = Setting()
    client = await setting.client(script=["lost response"])
    setting.venue.clients = []  # nor does any report arrive
    await client.approve()
    (entry,) = [one for one in client.blotter.records() if one.order.purpose == "ENTRY"]
    assert (entry.status, entry.filled) == ("FILLED", 1)
    assert client.held == setting.venue.base == 1
    assert set(setting.venue.accepted.values()) == {1}
    assert client.gate.why(PAIR) is None


async def test_an_order_that_never_arrived_is_given_up_only_after_its_deadline_and_a_margin():
    setting = Setting()
    client = await setting.client(script=["lost request"])
    await client.approve()
    (entry,) = client.blotter.records()
    assert entry.status == "EXPIRED"
    assert entry.reason.startswith("NEVER_ARRIVED")
    assert client.exchange.asked >= 10  # one second each: five of deadline, five of margin
    assert setting.venue.accepted == {}
    assert client.gate.why(PAIR) is None


async def test_how_long_an_order_without_a_deadline_is_asked_about_is_counted_on_the_clock_that_was_passed():
    """A market twenty times as fast is over twenty times as soon."""
    setting = Setting()
    client = await setting.client(script=["lost request"])
    stranger = Order(
        client_order_id="by hand", signal_id="", trading_pair=PAIR, side="BUY", order_type="LIMIT",
        quantity=Decimal(1), created_at=client.clock.now_ns(), limit_price=Decimal(1), purpose="EXTERNAL",
    )  # fmt: skip
    client.execution.place(stranger)
    await client.quiet()
    assert client.blotter.get("by hand").status == "EXPIRED"
    assert client.exchange.asked == 11  # one second each: five, five of margin, and one to be past them


async def test_an_order_that_arrives_late_is_found():
    setting = Setting()
    client = await setting.client(script=["late"], late_after=4)
    await client.approve()
    (entry,) = [one for one in client.blotter.records() if one.order.purpose == "ENTRY"]
    assert entry.status == "FILLED"
    assert client.held == 1 == setting.venue.open_stops()


async def test_while_an_order_is_unknown_its_pair_takes_no_entry_and_other_pairs_do():
    setting = Setting()
    client = await setting.client(script=["lost request"])
    refused = []

    async def second_entry(event):
        if event.payload.order_status == "UNKNOWN":
            refused.append((client.gate.why(PAIR)[0], client.gate.why("ETH/USD")))
            await client.approve_later("s2")

    client.bus.subscribe("EXECUTION_REPORT", second_entry)
    await client.approve()
    assert refused == [("ORDER_UNKNOWN", None)]
    (told,) = [one for one in client.reports if one.signal_id == "s2"]
    assert told.order_status == "REJECTED"
    assert told.error_message.startswith("ORDER_UNKNOWN: nobody knows what became of order")
    assert setting.venue.accepted == {}


async def test_an_exit_is_not_kept_back_by_an_unknown_order():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    client.gate.block("ORDER_UNKNOWN", "a test says so", pair=PAIR)
    await client.approve("s2", "SELL")
    assert setting.venue.base == 0


async def test_the_same_signal_twice_is_one_order():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    await client.approve()
    assert client.execution.refused == {"DUPLICATE_SIGNAL": 1}
    assert client.held == 1


async def test_a_report_told_twice_is_booked_once():
    setting = Setting(liquidity=Decimal("0.5"))
    client = await setting.client(doubled=True)
    await client.approve()
    assert client.held == Decimal("0.5")
    assert client.execution.repeated > 0
    executions = [one.execution_id for one in client.reports if one.execution_id]
    assert len(executions) == len(set(executions))


async def test_an_order_that_lives_after_it_was_given_up_is_cancelled_and_halts():
    setting = Setting(liquidity=Decimal(0))
    client = await setting.client(script=["late"], late_after=1_000)
    setting.venue.clock.advance_to(0)
    await client.approve()
    (entry,) = client.blotter.records()
    assert entry.status == "EXPIRED"
    order = entry.order
    setting.venue.postponed.clear()
    setting.venue.place(
        order.__class__(**{n: getattr(order, n) for n in order.__struct_fields__} | {"deadline": None})
    )
    await client.quiet()
    assert client.triggers == ["ALIVE_AFTER_END"]
    assert [one.status for one in setting.venue.orders.values()] == ["CANCELED"]


async def test_a_fill_of_an_order_never_sent_is_booked_and_calls_for_a_halt():
    setting = Setting()
    client = await setting.client()
    await client.approve()
    other = await setting.client()
    assert other.triggers == []
    stranger = Setting()
    stranger.venue = setting.venue
    third = await stranger.client()  # the same account, and a journal that knows nothing of it
    assert "UNSENT_ORDER" in third.triggers
    assert third.held == 1


@pytest.mark.parametrize("fault", ["refused"])
async def test_a_refusal_ends_the_order_and_is_never_tried_again(fault):
    setting = Setting()
    client = await setting.client(script=[fault])
    await client.approve()
    assert client.statuses(client.reports[0].client_order_id) == ["REJECTED"]
    assert client.execution.orders == 1
    assert setting.venue.accepted == {}


async def journalled_and_never_sent(setting, *, clock_off_s):
    """An earlier run, whose clock was off, made an entry's intent durable and ended before it could send it."""
    created = setting.clock.now_ns() + clock_off_s * SECOND_NS
    order = Order(
        client_order_id="lost", signal_id="s0", trading_pair=PAIR, side="BUY", order_type="MARKET",
        quantity=Decimal(1), created_at=created, stop_price=Decimal(90), deadline=created + 5 * SECOND_NS,
    )  # fmt: skip
    await setting.journal.append(intents.KIND, "lost", created, intents.intent_of(order, {}))


@pytest.mark.parametrize("clock_off_s", [86_400, 600, 0, -600, -86_400])
async def test_an_order_stamped_by_another_clock_is_given_up_ten_seconds_after_it_was_first_asked_about(
    clock_off_s,
):
    setting = Setting()
    await journalled_and_never_sent(setting, clock_off_s=clock_off_s)
    began = setting.clock.now_ns()
    client = await setting.client()
    assert client.blotter.get("lost").status == "EXPIRED"
    assert client.gate.why(PAIR) is None
    assert 10 <= (setting.clock.now_ns() - began) / SECOND_NS <= 12


async def test_a_deadline_that_the_venue_would_still_take_is_waited_for_whoever_set_it():
    setting = Setting()
    await journalled_and_never_sent(setting, clock_off_s=30)
    began = setting.clock.now_ns()
    client = await setting.client()
    assert client.blotter.get("lost").status == "EXPIRED"
    assert 40 <= (setting.clock.now_ns() - began) / SECOND_NS <= 42
