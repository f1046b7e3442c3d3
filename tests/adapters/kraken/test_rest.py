"""The REST client on the simulated Kraken: every call, its limits, and who may make it."""

import asyncio
import itertools
import random
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from gal_friday_adapters.kraken.key_check import key_rights, require_trading_key
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest import KrakenRest, kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.kraken.rest_line import RestClock, RestPatience
from gal_friday_adapters.simulated_kraken.permissions import EVERYTHING, TRADING
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken.error_codes import Refusal
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.orders import Amendment, Order
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange

PAIR = "BTC/USD"
PATIENCE = RestPatience(retry_s=0.01, limited_s=0.05)
_ids = itertools.count(1)


@asynccontextmanager
async def served(faults: str = "", permissions=TRADING, patience: RestPatience = PATIENCE):
    """A simulated Kraken whose market stands still (bid 29999.9, ask 30000.1), and a client of its account."""
    keyring = Keyring([ApiKey(KEY, SECRET, account=KEY, permissions=permissions)])
    async with SimulatedKraken(exchange(faults), keyring) as kraken:
        rest = client(kraken, patience)
        try:
            yield kraken, rest
        finally:
            await rest.close()


def client(kraken: SimulatedKraken, patience: RestPatience = PATIENCE, secret: str = SECRET) -> KrakenRest:
    clock = RestClock(now_ns=time.time_ns, timer=time.monotonic, jitter=random.Random(1).random)
    nonce = Nonces(time.time_ns).next
    return kraken_rest(
        kraken.url, Credentials(KEY, secret), clock=clock, nonce=nonce, tier="pro", patience=patience
    )


def order(side="BUY", order_type="LIMIT", quantity="0.01", price: str | None = "29000", **more) -> Order:
    return Order(
        client_order_id=f"t1-{next(_ids)}",
        signal_id="",
        trading_pair=PAIR,
        side=side,
        order_type=order_type,
        quantity=Decimal(quantity),
        created_at=time.time_ns(),
        limit_price=None if price is None else Decimal(price),
        **more,
    )


async def test_what_is_public_is_told_without_a_key():
    async with served() as (kraken, _):
        clock = RestClock(now_ns=time.time_ns, timer=time.monotonic, jitter=random.random)
        rest = kraken_rest(kraken.url, clock=clock, nonce=lambda: 1)
        assert await rest.system_status() == "online"
        assert abs(await rest.server_time_ns() - time.time_ns()) < 5 * 10**9
        instrument = (await rest.instruments())[PAIR]
        assert (instrument.price_tick, instrument.min_quantity, instrument.status) == (
            Decimal("0.1"),
            Decimal("0.0001"),
            "online",
        )
        await rest.close()


async def test_an_order_is_placed_found_amended_and_cancelled():
    async with served() as (_, rest):
        asked = order()
        order_id = await rest.add_order(asked)
        name = OrderName(order_id, asked.client_order_id)
        await rest.amend(name, Amendment(quantity=Decimal("0.02"), limit_price=Decimal(28_000)))
        found = await rest.find(asked.client_order_id)
        assert found is not None
        assert (found.exchange_order_id, found.status, found.quantity, found.limit_price) == (
            order_id,
            "NEW",
            Decimal("0.02"),
            28000,
        )
        assert await rest.cancel(OrderName(client_order_id=asked.client_order_id)) == 1
        ended = await rest.find(asked.client_order_id)
        assert ended is not None
        assert ended.status == "CANCELED"
        with pytest.raises(ExchangeError) as gone:
            await rest.cancel(name)
        assert gone.value.code == "UNKNOWN_ORDER"
        assert await rest.find("never-placed") is None


async def test_a_filled_entry_has_its_fill_its_stop_and_its_balances():
    async with served() as (_, rest):
        began = time.time_ns() - 1
        entry = order(order_type="MARKET", price=None, stop_price=Decimal(25_000))
        order_id = await rest.add_order(entry)
        (fill,) = await rest.fills(began)
        assert (fill.exchange_order_id, fill.quantity, fill.price, fill.fee_asset) == (
            order_id,
            Decimal("0.01"),
            Decimal("30000.1"),
            "USD",
        )
        (stop,) = await rest.open_orders()
        assert (stop.parent_exchange_order_id, stop.order_type, stop.side, stop.trigger_price) == (
            order_id,
            "STOP_LOSS",
            "SELL",
            25_000,
        )
        found = await rest.balances()
        assert found["BTC"] == Decimal("2.01")
        assert found["USD"] == 100_000 - Decimal("300.001") - fill.fee
        assert [closed.exchange_order_id for closed in await rest.closed_orders(began)] == [order_id]
        assert await rest.query_orders([order_id, stop.exchange_order_id]) is not None
        assert await rest.cancel_all() == 1


TYPES = [
    order(),
    order(time_in_force="IOC"),
    order(time_in_force="GTD", expires_at=time.time_ns() + 3600 * 10**9),
    order(time_in_force="FOK", price="31000"),
    order(post_only=True),
    order(order_type="MARKET", price=None),
    order("SELL", "STOP_LOSS", price=None, trigger_price=Decimal(25_000)),
    order("SELL", "STOP_LOSS_LIMIT", price="24000", trigger_price=Decimal(25_000)),
    order("SELL", "TAKE_PROFIT", price=None, trigger_price=Decimal(35_000)),
    order("SELL", "TAKE_PROFIT_LIMIT", price="34000", trigger_price=Decimal(35_000)),
    order("SELL", "TRAILING_STOP", price=None, trailing_offset=Decimal(100)),
    order("SELL", "TRAILING_STOP_LIMIT", price=None, trailing_offset=Decimal(100), limit_offset=Decimal(10)),
    order(order_type="ICEBERG", quantity="0.1", display_quantity=Decimal("0.01")),
]


@pytest.mark.parametrize("asked", TYPES, ids=lambda asked: f"{asked.order_type}-{asked.time_in_force}")
async def test_every_kind_of_order_is_taken_and_reads_back_as_itself(asked: Order):
    async with served() as (_, rest):
        assert await rest.add_order(asked, validate=True) == ""
        assert await rest.find(asked.client_order_id) is None
        order_id = await rest.add_order(asked)
        found = await rest.find(asked.client_order_id)
        assert found is not None
        assert (found.exchange_order_id, found.order_type, found.side, found.quantity) == (
            order_id,
            asked.order_type,
            asked.side,
            asked.quantity,
        )
        if asked.order_type in {"STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
            assert (found.trigger_price, found.limit_price) == (asked.trigger_price, asked.limit_price)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (order(quantity="100"), "INSUFFICIENT_FUNDS"),
        (order(quantity="0.00001"), "ORDER_MINIMUM"),
        (order(price="29000.05"), "TICK_SIZE"),
    ],
)
async def test_a_refused_order_says_why_in_our_code(asked: Order, code: str):
    async with served() as (_, rest):
        with pytest.raises(ExchangeError) as refused:
            await rest.add_order(asked)
        assert refused.value.code == code


async def test_a_crossing_post_only_order_is_taken_over_rest_and_ended_at_once():
    async with served() as (_, rest):
        asked = order(post_only=True, price="31000")
        await rest.add_order(asked)
        found = await rest.find(asked.client_order_id)
        assert found is not None
        assert (found.status, found.reason) == ("CANCELED", "Post only order")


async def test_a_batch_is_placed_and_its_refusals_are_told_apart():
    async with served() as (_, rest):
        taken, refused = await rest.add_batch([order(), order("SELL", quantity="50", price="31000")])
        assert isinstance(taken, str)
        assert isinstance(refused, Refusal)
        assert refused.code == "INSUFFICIENT_FUNDS"
        assert [found.exchange_order_id for found in await rest.open_orders()] == [taken]


async def test_the_dead_mans_switch_is_set_and_turned_off():
    async with served() as (_, rest):
        fires_ns = await rest.cancel_all_after(60)
        assert fires_ns is not None
        assert 50 * 10**9 < fires_ns - time.time_ns() < 61 * 10**9
        assert await rest.cancel_all_after(0) is None


async def test_fills_and_flows_are_complete_over_many_pages():
    async with served() as (_, rest):
        began = time.time_ns() - 1
        for _ in range(3):
            batches = [
                rest.add_batch([order(order_type="MARKET", price=None, quantity="0.0001") for _ in range(15)])
                for _ in range(2)
            ]
            await asyncio.gather(*batches)
        for _ in range(30):
            await rest.add_order(order(order_type="MARKET", price=None, quantity="0.0001"))
        fills = await rest.fills(began)
        assert (len(fills), len({fill.execution_id for fill in fills})) == (120, 120)
        assert [fill.timestamp for fill in fills] == sorted(fill.timestamp for fill in fills)
        assert {flow.asset: flow.amount for flow in await rest.flows(0)} == {
            "USD": 100_000,
            "BTC": 2,
            "ETH": 10,
        }
        later = fills[60].timestamp
        assert [fill.execution_id for fill in await rest.fills(later)] == [
            fill.execution_id for fill in fills if fill.timestamp >= later
        ]


async def test_fees_are_this_accounts_as_fractions():
    async with served() as (_, rest):
        assert await rest.fee_rates(PAIR) == (Decimal("0.004"), Decimal("0.0025"))


async def test_many_calls_at_once_have_nonces_in_order():
    async with served() as (_, rest):
        asked = [
            rest.find("none"),
            *(rest.balances() for _ in range(5)),
            *(rest.add_order(order()) for _ in range(20)),
        ]
        await asyncio.gather(*asked)
        assert len(await rest.open_orders()) == 20


async def test_a_lost_answer_leaves_exactly_one_order_and_an_unknown_outcome():
    async with served("lost_response=1") as (kraken, rest):
        asked = order()
        with pytest.raises(OutcomeUnknownError):
            await rest.add_order(asked)
        kraken.exchange.faults.set("lost_response", 0.0)
        found = await rest.find(asked.client_order_id)
        assert found is not None
        assert [facts.exchange_order_id for facts in await rest.open_orders()] == [found.exchange_order_id]


async def test_a_cancel_whose_answers_were_lost_is_unknown_and_found_gone_afterwards():
    async with served() as (kraken, rest):
        order_id = await rest.add_order(order())
        kraken.exchange.faults.set("lost_response", 1.0)
        with pytest.raises(OutcomeUnknownError):
            await rest.cancel(OrderName(order_id))
        kraken.exchange.faults.set("lost_response", 0.0)
        with pytest.raises(ExchangeError) as gone:
            await rest.cancel(OrderName(order_id))
        assert gone.value.code == "UNKNOWN_ORDER"
        assert await rest.open_orders() == []


async def test_a_key_that_trades_and_cannot_withdraw_is_good_and_nothing_was_placed():
    async with served() as (kraken, rest):
        await require_trading_key(rest, PAIR)
        assert kraken.exchange.orders(KEY) == []


async def test_a_key_that_may_withdraw_is_refused():
    async with served(permissions=EVERYTHING) as (_, rest):
        assert (await key_rights(rest, PAIR)).withdraws
        with pytest.raises(ExchangeError, match="without “Withdraw funds”") as refused:
            await require_trading_key(rest, PAIR)
        assert refused.value.code == "KEY_MAY_WITHDRAW"


async def test_a_key_that_lacks_rights_is_told_which():
    async with served(permissions=TRADING - {"trade", "query_ledger"}) as (_, rest):
        with pytest.raises(
            ExchangeError, match="'Query ledger entries', 'Create & modify orders'"
        ) as refused:
            await require_trading_key(rest, PAIR)
        assert refused.value.code == "KEY_LACKS_RIGHTS"


async def test_a_wrong_secret_is_no_permission_question():
    async with served() as (kraken, _):
        rest = client(kraken, secret="d3Jvbmc=")
        with pytest.raises(ExchangeError) as refused:
            await require_trading_key(rest, PAIR)
        assert refused.value.code == "INVALID_SIGNATURE"
        await rest.close()


async def test_an_unreadable_account_cannot_be_told_from_a_safe_one_and_is_refused():
    async with served() as (_, rest):
        with pytest.raises(ExchangeError, match="does not list"):
            await key_rights(rest, "XYZ/USD")
