import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kraken.spot import User

from gal_friday_adapters.simulated_kraken.server import SOCKET_PATHS, SimulatedKraken
from gal_friday_adapters.simulated_kraken.subscribing import INVALID_SESSION
from gal_friday_adapters.simulated_kraken.tokens import LIFETIME_NS
from gal_friday_adapters.simulated_kraken.v2_methods import V2Methods
from gal_friday_adapters.simulated_kraken.v2_orders import METHODS
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange, running
from tests.adapters.simulated_kraken.sockets import Listener, Socket, connected

PAIR = "BTC/USD"


def token(kraken: SimulatedKraken) -> str:
    return User(key=KEY, secret=SECRET, url=kraken.url).request("POST", "/0/private/GetWebSocketsToken")[
        "token"
    ]


def talk(
    kraken: SimulatedKraken, conversation: Callable[[Socket], Awaitable[None]], path: str = "/v2"
) -> None:
    async def run() -> None:
        async with connected(kraken, path) as socket:
            await conversation(socket)

    asyncio.run(run())


@pytest.mark.parametrize("path", SOCKET_PATHS)
def test_every_path_greets_with_the_status(kraken: SimulatedKraken, path: str):
    async def conversation(socket: Socket) -> None:
        status = await socket.hear()
        assert (status["channel"], status["data"][0]["system"]) == ("status", "online")

    talk(kraken, conversation, path)


def test_ping_is_answered_with_its_number_or_without(kraken: SimulatedKraken):
    async def conversation(socket: Socket) -> None:
        await socket.raw.send_str('{"method":"ping"}')
        assert "req_id" not in await socket.hear(lambda message: message.get("method") == "pong")
        await socket.raw.send_str('{"method":"ping","req_id":7}')
        assert (await socket.hear(lambda message: message.get("method") == "pong"))["req_id"] == 7

    talk(kraken, conversation)


def test_each_symbol_is_acknowledged_and_its_snapshot_follows(kraken: SimulatedKraken):
    async def conversation(socket: Socket) -> None:
        await socket.ask("subscribe", 3, channel="book", symbol=[PAIR, "ETH/USD", "NO/PAIR"], depth=10)
        for symbol in (PAIR, "ETH/USD"):
            ack = await socket.hear(lambda message: message.get("method") == "subscribe")
            assert ack["result"] == {"channel": "book", "symbol": symbol, "depth": 10, "snapshot": True}
            assert (ack["success"], ack["req_id"]) == (True, 3)
            snapshot = await socket.hear()
            assert (snapshot["type"], snapshot["data"][0]["symbol"]) == ("snapshot", symbol)
        refused = await socket.hear()
        assert (refused["success"], refused["symbol"]) == (False, "NO/PAIR")
        assert refused["error"] == "Currency pair not supported NO/PAIR"

    talk(kraken, conversation)


def test_heartbeats_come_once_there_is_a_subscription(kraken: SimulatedKraken):
    async def conversation(socket: Socket) -> None:
        await socket.answer("subscribe", channel="instrument")
        assert await socket.channel("heartbeat") == {"channel": "heartbeat"}

    talk(kraken, conversation)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": [PAIR], "depth": 11}, "Subscription depth not supported"),
        ({"channel": "ohlc", "symbol": [PAIR], "interval": 2}, "Subscription ohlc interval not supported"),
        ({"channel": "level3", "symbol": [PAIR]}, "Channel not supported"),
        ({"channel": "trade"}, "Symbol(s) not found"),
        ({"channel": "executions", "token": "made up"}, "ESession:Invalid session"),
        ({"channel": "balances"}, "ESession:Invalid session"),
        ({}, "EGeneral:Invalid arguments:channel"),
    ],
)
def test_subscription_that_cannot_be_is_refused(kraken: SimulatedKraken, params, error: str):
    async def conversation(socket: Socket) -> None:
        answer = await socket.answer("subscribe", 1, **params)
        assert (answer["success"], answer["error"], answer["req_id"]) == (False, error, 1)

    talk(kraken, conversation)


def test_a_second_subscription_is_refused_until_the_first_is_given_up(kraken: SimulatedKraken):
    async def conversation(socket: Socket) -> None:
        book = {"channel": "book", "symbol": [PAIR], "depth": 25}
        assert (await socket.answer("subscribe", **book))["success"]
        assert (await socket.answer("subscribe", **book))["error"] == "Already subscribed"
        assert (await socket.answer("unsubscribe", **book))["success"]
        assert (await socket.answer("unsubscribe", **book))["error"] == "Subscription Not Found"
        assert (await socket.answer("subscribe", **book))["success"]

    talk(kraken, conversation)


def test_private_sequence_starts_anew_with_each_subscription(kraken: SimulatedKraken):
    secret = token(kraken)

    async def conversation(socket: Socket) -> None:
        for _ in range(2):
            await socket.answer("subscribe", channel="balances", token=secret)
            assert (await socket.channel("balances"))["sequence"] == 1
            await socket.answer("unsubscribe", channel="balances", token=secret)

    talk(kraken, conversation)


def test_a_token_holds_as_long_as_the_line_that_subscribed_with_it_and_no_longer_elsewhere():
    passed_ns = [0]
    served = exchange(now=lambda: time.time_ns() + passed_ns[0])

    async def conversation(socket: Socket) -> None:
        await socket.answer("subscribe", channel="balances", token=secret)
        passed_ns[0] += 2 * LIFETIME_NS
        assert (await socket.answer("cancel_all", token=secret))["success"]

    async def late(socket: Socket) -> None:
        assert (await socket.answer("cancel_all", token=secret))["error"] == INVALID_SESSION

    with running(served) as kraken:
        secret = token(kraken)
        talk(kraken, conversation)
        talk(kraken, late)


def test_order_life_is_told_as_documented(kraken: SimulatedKraken):
    secret = token(kraken)

    async def conversation(socket: Socket) -> None:
        ack = await socket.answer("subscribe", channel="executions", token=secret, snap_trades=True)
        assert ack["result"]["maxratecount"] == 180
        assert (await socket.channel("executions"))["data"] == []
        order = {
            "order_type": "limit",
            "side": "sell",
            "order_qty": 0.005,
            "symbol": PAIR,
            "limit_price": 29000.1,
        }
        added = await socket.answer("add_order", 9, **order, order_userref=3, token=secret)
        assert added["result"] == {"order_id": added["result"]["order_id"], "order_userref": 3}
        told = [(await socket.channel("executions"))["data"][0] for _ in range(4)]
        assert [entry["exec_type"] for entry in told] == ["pending_new", "new", "trade", "filled"]
        assert [entry["order_status"] for entry in told] == [
            "pending_new",
            "new",
            "partially_filled",
            "filled",
        ]
        assert "last_qty" not in told[3]
        assert told[2]["last_price"] == 29999.9

    talk(kraken, conversation)


def test_order_status_can_be_left_out(kraken: SimulatedKraken):
    secret = token(kraken)

    async def conversation(socket: Socket) -> None:
        await socket.answer("subscribe", channel="executions", token=secret, order_status=False)
        order = {
            "order_type": "limit",
            "side": "buy",
            "order_qty": 0.01,
            "symbol": PAIR,
            "limit_price": 29000,
        }
        order_id = (await socket.answer("add_order", **order, token=secret))["result"]["order_id"]
        await socket.answer("amend_order", order_id=order_id, order_qty=0.02, token=secret)
        await socket.answer("cancel_order", order_id=[order_id], token=secret)
        await socket.hear(lambda message: bool(message.get("data")) and "reason" in message["data"][0])
        kinds = [
            entry["exec_type"]
            for message in socket.heard
            if message.get("channel") == "executions"
            for entry in message["data"]
        ]
        assert kinds == ["new", "canceled"]

    talk(kraken, conversation)


def test_batches_switch_edit_and_cancels_answer_in_their_shapes(kraken: SimulatedKraken):
    secret = token(kraken)
    limit = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 29000}

    async def conversation(socket: Socket) -> None:
        orders = [limit | {"cl_ord_id": "a"}, limit | {"order_qty": 90}]
        batch = await socket.answer("batch_add", symbol=PAIR, orders=orders, token=secret)
        first, second = batch["result"]["orders"]
        assert (first["success"], first["cl_ord_id"]) == (True, "a")
        assert second == {"success": False, "error": "EOrder:Insufficient funds"}
        placed = await socket.answer("add_order", symbol=PAIR, **limit, token=secret)
        old = placed["result"]["order_id"]
        edited = await socket.answer("edit_order", order_id=old, symbol=PAIR, order_qty=0.02, token=secret)
        assert edited["result"]["original_order_id"] == old
        both = [first["order_id"], edited["result"]["order_id"]]
        gone = await socket.answer("batch_cancel", orders=both, token=secret)
        assert gone["result"] == {"count": 2}
        switch = await socket.answer("cancel_all_orders_after", timeout=60, token=secret)
        assert set(switch["result"]) == {"currentTime", "triggerTime"}
        assert (await socket.answer("cancel_all", token=secret))["result"] == {"count": 0}

    talk(kraken, conversation)


def test_several_cancels_are_answered_one_by_one(kraken: SimulatedKraken):
    secret = token(kraken)
    limit = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 29000, "symbol": PAIR}

    async def conversation(socket: Socket) -> None:
        ids = [(await socket.answer("add_order", **limit, token=secret))["result"]["order_id"] for _ in "ab"]
        await socket.ask("cancel_order", 5, order_id=[*ids, "OAAAAA-AAAAA-AAAAAA"], token=secret)
        answers = [await socket.hear(lambda message: message.get("req_id") == 5) for _ in range(3)]
        assert [answer.get("result", answer.get("error")) for answer in answers] == [
            *({"order_id": order_id} for order_id in ids),
            "EOrder:Unknown order",
        ]

    talk(kraken, conversation)


def test_unknown_fields_and_methods_are_refused_in_words(kraken: SimulatedKraken):
    secret = token(kraken)

    async def conversation(socket: Socket) -> None:
        wrong = await socket.answer("add_order", price=1, token=secret)
        assert wrong["error"] == "Unsupported field: 'price' for the given msg type: add order"
        assert (await socket.answer("sell_everything"))["error"] == "Method not found"

    talk(kraken, conversation)


SERVED = exchange()
SESSION_TOKEN = SERVED.tokens.issue(KEY, SERVED.now_ns())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(SESSION_TOKEN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ORDER = {
    "order_type": "limit",
    "side": "buy",
    "symbol": PAIR,
    "order_qty": 0.001,
    "limit_price": 29000.5,
    "token": SESSION_TOKEN,
}
FIELDS = [
    *ORDER,
    "channel",
    "depth",
    "triggers",
    "conditional",
    "orders",
    "order_id",
    "timeout",
    "deadline",
    "snapshot",
]


@settings(deadline=None, max_examples=300)
@given(
    method=st.sampled_from([*sorted(METHODS), "subscribe", "unsubscribe", "ping"]) | json_values,
    changes=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4),
    cut=st.integers(0, 200),
)
def test_no_message_whatever_it_holds_goes_unanswered_or_breaks_the_server(method, changes, cut: int):
    session = Listener()
    raw = json.dumps({"method": method, "params": ORDER | changes, "req_id": 1})
    V2Methods(SERVED).answer(session, raw if cut > 100 else raw[:cut])
    answers = [json.loads(message) for message in session.sent]
    assert any("method" in answer or "error" in answer for answer in answers)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_json_are_answered_as_malformed(raw: bytes):
    session = Listener()
    V2Methods(SERVED).answer(session, raw)
    assert session.sent
