"""KrakenExchange against the simulated Kraken, over real sockets, nothing failing."""

import time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.orders import Amendment, is_terminal
from gal_friday_core.times import HOUR_NS, SECOND_NS
from gal_friday_core.venue.requests import AddOrder, CancelOrder, Conditional
from tests.adapters.kraken.trading import PAIR, Told, client, order, recorded, served, trading, until
from tests.adapters.simulated_kraken.running import KEY


async def test_market_order_is_filled_and_reported_once():
    async with trading() as (_, exchange, told):
        bought = order(kind="MARKET", quantity="1.5")
        await exchange.submit(bought)
        end = await told.ended(bought.client_order_id)
        assert (end.order_status, end.signal_id) == ("FILLED", bought.signal_id)
        assert end.quantity_filled == Decimal("1.5")
        fills = told.fills(bought.client_order_id)
        assert [fill.last_quantity for fill in fills] == [Decimal("0.5"), Decimal(1)]
        assert {fill.commission_asset for fill in fills} == {"USD"}
        assert len({fill.execution_id for fill in fills}) == len(fills)
        statuses = [report.order_status for report in told.of(bought.client_order_id)]
        assert statuses == ["NEW", "PARTIALLY_FILLED", "FILLED"]
        assert (await exchange.balances())["BTC"] == Decimal("3.5")
        facts = await exchange.fills(bought.created_at)
        assert [fact.client_order_id for fact in facts] == [bought.client_order_id] * 2
        assert [fact.execution_id for fact in facts] == [fill.execution_id for fill in fills]


async def test_money_that_is_moved_is_told_at_once_and_that_of_a_trade_is_not():
    async with trading() as (kraken, exchange, told):
        moved = []
        exchange.on_flow(moved.append)
        bought = order(kind="MARKET", quantity="0.5")
        await exchange.submit(bought)
        await told.ended(bought.client_order_id)
        kraken.exchange._venue.move(KEY, "USD", Decimal(-500), time.time_ns())
        kraken.exchange.advance()
        await until(lambda: moved)
        assert moved == ["withdrawal of -500 USD"]


async def test_limit_order_rests_is_found_amended_and_cancelled():
    async with trading() as (_, exchange, told):
        resting = order(limit_price="29000.0")
        await exchange.submit(resting)
        await told.until(lambda report: report.order_status == "NEW")
        found = await exchange.find(resting.client_order_id)
        assert (found.status, found.limit_price) == ("NEW", Decimal("29000.0"))
        assert [facts.client_order_id for facts in await exchange.open_orders()] == [resting.client_order_id]
        await exchange.amend(resting.client_order_id, Amendment(limit_price=Decimal("28500.0")))
        await told.until(lambda report: report.limit_price == Decimal("28500.0"))
        await exchange.cancel(resting.client_order_id)
        end = await told.ended(resting.client_order_id)
        assert (end.order_status, end.error_message) == ("CANCELED", "User requested")
        assert await exchange.open_orders() == []
        with pytest.raises(ExchangeError, match="ended") as refused:
            await exchange.cancel(resting.client_order_id)
        assert refused.value.code == "UNKNOWN_ORDER"


RESTING = [
    {"kind": "LIMIT", "limit_price": "29000.0", "post_only": True},
    {"kind": "LIMIT", "limit_price": "29000.0", "time_in_force": "GTD"},
    {"kind": "ICEBERG", "limit_price": "29000.0", "quantity": "0.3", "display_quantity": "0.1"},
    {"kind": "STOP_LOSS", "side": "SELL", "trigger_price": "29000.0"},
    {"kind": "STOP_LOSS_LIMIT", "side": "SELL", "trigger_price": "29000.0", "limit_price": "28900.0"},
    {"kind": "TAKE_PROFIT", "side": "SELL", "trigger_price": "31000.0"},
    {"kind": "TAKE_PROFIT_LIMIT", "side": "SELL", "trigger_price": "31000.0", "limit_price": "31000.0"},
    {"kind": "TRAILING_STOP", "side": "SELL", "trailing_offset": "500"},
    {"kind": "TRAILING_STOP_LIMIT", "side": "SELL", "trailing_offset": "500", "limit_offset": "50"},
]


@pytest.mark.parametrize("by_rest", [False, True], ids=["websocket", "rest"])
async def test_every_type_of_order_that_rests_is_taken_told_and_cancelled(by_rest):
    async with trading() as (kraken, exchange, told):
        for number, fields in enumerate(RESTING):
            expiry = {"expires_at": time.time_ns() + HOUR_NS} if fields.get("time_in_force") == "GTD" else {}
            placed = order(**fields, **expiry)
            if by_rest:
                exchange.adopt([recorded(placed)])
                await exchange.rest.add_order(placed)
            else:
                await exchange.submit(placed)
            report = await told.until(
                lambda report, own=placed: report.client_order_id == own.client_order_id
            )
            assert (report.order_status, report.order_type) == ("NEW", fields["kind"])
            assert report.quantity_ordered == placed.quantity
            if placed.trigger_price is not None:
                assert report.stop_price == placed.trigger_price
            assert len(kraken.exchange.orders(KEY)) == number + 1
        assert await exchange.cancel_all() == len(RESTING)
        ended = [await told.ended(found.asked.cl_ord_id) for found in kraken.exchange.orders(KEY)]
        assert {report.order_status for report in ended} == {"CANCELED"}


@pytest.mark.parametrize(
    ("fields", "status", "filled"),
    [
        ({"time_in_force": "IOC", "quantity": "1.0", "limit_price": "30000.1"}, "CANCELED", "0.5"),
        ({"time_in_force": "FOK", "quantity": "1.0", "limit_price": "30000.1"}, "CANCELED", "0"),
        ({"time_in_force": "FOK", "quantity": "0.5", "limit_price": "30000.1"}, "FILLED", "0.5"),
        ({"time_in_force": "GTD", "quantity": "1.0", "limit_price": "30000.1"}, "EXPIRED", "0.5"),
    ],
)
async def test_an_order_that_may_not_rest_ends_with_what_it_filled(fields, status, filled):
    if fields["time_in_force"] == "GTD":
        fields = fields | {"expires_at": time.time_ns() + 1 * SECOND_NS}
    async with trading() as (_, exchange, told):
        placed = order(**fields)
        await exchange.submit(placed)
        end = await told.ended(placed.client_order_id)
        assert (end.order_status, end.quantity_filled) == (status, Decimal(filled))
        counted = sum((fill.last_quantity for fill in told.fills(placed.client_order_id)), Decimal(0))
        assert counted == Decimal(filled)


async def test_each_fill_of_an_entry_makes_a_stop_under_its_own_name():
    async with trading() as (_, exchange, told):
        entry = order(kind="MARKET", quantity="1.5", stop_price="29500.0")
        await exchange.submit(entry)
        await told.ended(entry.client_order_id)
        await told.until(lambda report: report.order_type == "STOP_LOSS" and report.quantity_ordered == 1)
        stops = [report for report in told.reports if report.order_type == "STOP_LOSS"]
        assert [stop.quantity_ordered for stop in stops] == [Decimal("0.5"), Decimal(1)]
        for stop in stops:
            assert stop.client_order_id == f"{entry.client_order_id}-SL-{stop.exchange_order_id}"
            assert (stop.signal_id, stop.stop_price, stop.side) == (
                entry.signal_id,
                Decimal("29500.0"),
                "SELL",
            )
        found = await exchange.find(stops[0].client_order_id)
        assert (found.status, found.client_order_id) == ("NEW", stops[0].client_order_id)
        await exchange.cancel(stops[0].client_order_id)
        assert (await told.ended(stops[0].client_order_id)).order_status == "CANCELED"


async def test_orders_of_somebody_else_are_told_as_external_and_can_be_cancelled():
    async with trading() as (kraken, exchange, told):
        foreign = AddOrder(
            symbol=PAIR, side="buy", order_type="limit", order_qty=Decimal("0.6"), limit_price=Decimal("30000.1"),
            cl_ord_id="by-hand", conditional=Conditional(order_type="stop-loss", trigger_price=Decimal(29000)),
        )  # fmt: skip
        kraken.exchange.trade(KEY, foreign, "rest")
        fill = await told.until(lambda report: report.execution_id is not None)
        assert (fill.client_order_id, fill.signal_id) == (f"external:{fill.exchange_order_id}", "")
        stop = await told.until(lambda report: report.order_type == "STOP_LOSS")
        assert stop.client_order_id == f"external:{stop.exchange_order_id}"
        await exchange.cancel(fill.client_order_id)
        end = await told.ended(fill.client_order_id)
        assert (end.order_status, end.quantity_filled) == ("CANCELED", Decimal("0.5"))


async def test_what_somebody_else_asks_of_the_engine_counts_against_our_limit_too():
    async with trading() as (kraken, exchange, told):
        for price in range(20):
            foreign = AddOrder(
                symbol=PAIR, side="buy", order_type="limit", order_qty=Decimal("0.01"),
                limit_price=Decimal(29000 + price),
            )  # fmt: skip
            kraken.exchange.trade(KEY, foreign, "rest")
        await told.until(lambda report: report.limit_price == 29019)
        assert exchange.counters.read(PAIR, time.monotonic_ns()) > 15


REFUSED = [
    ({"kind": "MARKET", "quantity": "9"}, "INSUFFICIENT_FUNDS"),
    ({"limit_price": "29000.0", "quantity": "0.00000001"}, "ORDER_MINIMUM"),
    ({"limit_price": "29000.01"}, "TICK_SIZE"),
    ({"limit_price": "31000.0", "post_only": True}, "POST_ONLY_WOULD_CROSS"),
    ({"kind": "LIMIT"}, "INVALID_ORDER"),
]


async def test_a_refused_order_says_why_and_leaves_nothing_behind():
    async with trading() as (kraken, exchange, told):
        for fields, code in REFUSED:
            placed = order(**fields)
            with pytest.raises(ExchangeError) as refused:
                await exchange.submit(placed)
            assert refused.value.code == code, str(refused.value)
            assert await exchange.find(placed.client_order_id) is None
        assert kraken.exchange.orders(KEY) == []
        assert told.reports == []


async def test_everybody_who_asked_hears_of_the_line():
    async with trading() as (kraken, exchange, told):
        first, second = [], []
        exchange.on_line(lambda up, _: first.append(up))
        exchange.on_line(lambda up, _: second.append(up))
        kraken.exchange.faults.set("disconnect", 1)
        await until(lambda: first == second == [False])
        kraken.exchange.faults.set("disconnect", 0)
        await until(lambda: first == second == [False, True])
        assert [up for up, _ in told.lines] == [True, False, True]


async def test_an_order_goes_out_once():
    async with trading() as (kraken, exchange, _):
        placed = order(limit_price="29000.0")
        await exchange.submit(placed)
        with pytest.raises(ContractError, match="sent already"):
            await exchange.submit(placed)
        assert len(kraken.exchange.orders(KEY)) == 1


async def test_a_deadline_that_is_past_is_refused_by_the_engine():
    async with trading() as (kraken, exchange, _):
        with pytest.raises(ExchangeError) as refused:
            await exchange.submit(order(limit_price="29000.0", deadline=time.time_ns() - SECOND_NS))
        assert refused.value.code == "DEADLINE_ELAPSED"
        assert kraken.exchange.orders(KEY) == []


@pytest.mark.parametrize("off_s", [-86_400, -3, 600, 86_400])
async def test_what_reduces_risk_arrives_in_time_by_a_clock_that_is_wrong_and_an_entry_does_not(off_s):
    wrong = SimpleNamespace(now_ns=lambda: time.time_ns() + off_s * SECOND_NS)
    async with trading(engine_clock=wrong) as (kraken, exchange, _):
        deadline = wrong.now_ns() + 2 * SECOND_NS
        stop = order("SELL", "STOP_LOSS", trigger_price="29000.0", purpose="STOP", deadline=deadline)
        await exchange.submit(stop)
        (stands,) = kraken.exchange.orders(KEY)
        assert stands.is_open
        with pytest.raises(ExchangeError):
            await exchange.submit(order(limit_price="29000.0", deadline=deadline))


async def test_what_happened_between_two_runs_is_told_to_the_second():
    async with served() as kraken:
        first = client(kraken)
        told = Told(first)
        await first.start()
        entry = order(quantity="0.7", limit_price="30000.1", stop_price="29500.0")
        rests = order(limit_price="29000.0")
        await first.submit(entry)
        await first.submit(rests)
        await told.until(lambda report: report.order_type == "STOP_LOSS")
        await first.stop()
        kraken.exchange.trade(KEY, CancelOrder(cl_ord_id=(rests.client_order_id,)), "rest")
        second = client(kraken)
        again = Told(second)
        second.adopt([recorded(entry), recorded(rests)])
        await second.start()
        try:
            assert again.lines == [(True, "connected")]
            assert [fill.execution_id for fill in again.fills()] == [
                fill.execution_id for fill in told.fills()
            ]
            assert (await again.ended(rests.client_order_id)).order_status == "CANCELED"
            stop = await again.until(lambda report: report.order_type == "STOP_LOSS")
            assert stop.client_order_id == f"{entry.client_order_id}-SL-{stop.exchange_order_id}"
            assert not any(is_terminal(report.order_status) for report in again.of(entry.client_order_id))
        finally:
            await second.stop()


@pytest.mark.parametrize("keys", [("nobody", "ZGVtby1zZWNyZXQ="), ("demo", "d3Jvbmc=")])
async def test_a_wrong_key_is_refused_at_the_start(keys):
    async with served() as kraken:
        exchange = client(kraken, keys=keys)
        Told(exchange)
        with pytest.raises(ExchangeError, match="EAPI:Invalid"):
            await exchange.start()


async def test_nobody_at_the_private_address_is_an_error_that_names_it():
    async with served() as kraken:
        exchange = client(kraken, private_url="ws://127.0.0.1:9/v2")
        Told(exchange)
        with pytest.raises(ExchangeError, match=r"127\.0\.0\.1:9"):
            await exchange.start()
