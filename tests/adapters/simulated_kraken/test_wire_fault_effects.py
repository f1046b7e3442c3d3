"""Each fault, switched on with chance 1, does to a client what its name says."""

import asyncio
import json
import time

import aiohttp
import pytest
import requests
from kraken.exceptions import KrakenApiLimitExceededError, KrakenServiceUnavailableError
from kraken.spot import Trade, User

from gal_friday_core.book import BookResult, OrderBook
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange, running
from tests.adapters.simulated_kraken.sockets import connected

PAIR = "BTC/USD"
ORDER = {"ordertype": "limit", "side": "buy", "volume": 0.01, "pair": "XBTUSD", "price": 29000}
BOOK = {"channel": "book", "symbol": [PAIR], "depth": 10}


def test_flipped_checksum_is_found_and_healed_by_a_new_subscription():
    served = exchange("checksum=1")

    async def follow(kraken) -> None:
        book = OrderBook(PAIR, 10, 1, 8)
        async with connected(kraken) as socket:
            await socket.answer("subscribe", **BOOK)
            assert book.apply_raw(json.dumps(await socket.channel("book")).encode()) == BookResult.CHECKSUM
            assert not book.verified
            served.faults.set("checksum", 0)
            await socket.answer("unsubscribe", **BOOK)
            await socket.answer("subscribe", **BOOK)
            assert book.apply_raw(await raw_book(socket)) == BookResult.SNAPSHOT
            assert book.verified

    with running(served) as kraken:
        asyncio.run(follow(kraken))


async def raw_book(socket) -> bytes:
    """The next book message with its digits as sent."""
    while True:
        text = await socket.raw.receive_str()
        if text.startswith('{"channel":"book"'):
            return text.encode()


def test_disconnect_ends_the_connection_without_a_goodbye():
    async def listen(kraken) -> None:
        async with connected(kraken) as socket:
            async with asyncio.timeout(10):
                message = await socket.raw.receive()
            assert message.type in {
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
                aiohttp.WSMsgType.CLOSE,
            }
            assert socket.raw.close_code != 1000

    with running(exchange("disconnect=1")) as kraken:
        asyncio.run(listen(kraken))


def test_half_open_connection_stays_up_and_says_nothing_more():
    served = exchange()

    async def listen(kraken) -> None:
        async with connected(kraken) as socket:
            await socket.answer("subscribe", **BOOK)
            served.faults.set("half_open", 1)
            await socket.ask("ping", 1)
            await socket.raw.ping()
            assert not [text for text in await heard_for(socket, 2.5) if '"pong"' in text]
            assert not await heard_for(socket, 1.5)  # not even a heartbeat
            assert not socket.raw.closed

    with running(served) as kraken:
        asyncio.run(listen(kraken))


async def heard_for(socket, seconds: float) -> list[str]:
    heard: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                heard.append(await socket.raw.receive_str())
    except TimeoutError:
        return heard


def test_lost_response_hides_an_order_that_was_placed():
    served = exchange("lost_response=1")
    with running(served) as kraken:
        with pytest.raises(requests.ConnectionError):
            Trade(key=KEY, secret=SECRET, url=kraken.url).create_order(**ORDER, cl_ord_id="lost")
        orders = User(key=KEY, secret=SECRET, url=kraken.url).get_open_orders(cl_ord_id="lost")
        assert len(orders["open"]) == 1


def test_reject_refuses_an_order_that_is_not_placed():
    with running(exchange("reject=1")) as kraken:
        with pytest.raises(KrakenServiceUnavailableError):
            Trade(key=KEY, secret=SECRET, url=kraken.url).create_order(**ORDER)
        assert User(key=KEY, secret=SECRET, url=kraken.url).get_open_orders() == {"open": {}}


def test_rate_limit_strikes_private_calls():
    with running(exchange("rate_limit=1")) as kraken, pytest.raises(KrakenApiLimitExceededError):
        User(key=KEY, secret=SECRET, url=kraken.url).get_account_balance()


def test_delayed_frames_arrive_whole_and_in_order():
    async def listen(kraken) -> None:
        async with connected(kraken) as socket:
            for number in range(5):
                await socket.raw.send_str(json.dumps({"method": "ping", "req_id": number}))
            pongs = [await socket.hear(lambda message: "req_id" in message) for _ in range(5)]
            assert [pong["req_id"] for pong in pongs] == list(range(5))

    with running(exchange("delay=0.01")) as kraken:
        asyncio.run(listen(kraken))
        assert requests.get(f"{kraken.url}/0/public/Time", timeout=10).json()["error"] == []


async def placed(kraken, served, fault: str) -> tuple[list[int], list[str]]:
    """Sequence numbers and kinds of what is told of one order, from its snapshot on, under a fault."""
    async with connected(kraken) as socket:
        user = User(key=KEY, secret=SECRET, url=kraken.url)
        token = await asyncio.to_thread(user.request, "POST", "/0/private/GetWebSocketsToken")
        await socket.answer("subscribe", channel="executions", token=token["token"], ratecounter=True)
        await socket.channel("executions")
        served.faults.set(fault, 1)
        trade = Trade(key=KEY, secret=SECRET, url=kraken.url)
        await asyncio.to_thread(trade.create_order, **ORDER)
        served.faults.set(fault, 0)
        await asyncio.to_thread(trade.cancel_all_orders)
        await socket.hear(
            lambda message: (
                message.get("channel") == "executions" and message["data"][0]["exec_type"] == "canceled"
            )
        )
    told = [message for message in socket.heard if message.get("channel") == "executions"]
    assert all(message["data"][0]["ratecount"] > 0 for message in told if message["type"] == "update")
    return [message["sequence"] for message in told], [
        message["data"][0]["exec_type"] for message in told if message["type"] == "update"
    ]


def test_duplicate_says_a_private_update_twice_under_two_numbers():
    served = exchange()
    with running(served) as kraken:
        sequences, kinds = asyncio.run(placed(kraken, served, "duplicate"))
    assert kinds == ["pending_new", "pending_new", "new", "new", "canceled"]
    assert sequences == [1, 2, 3, 4, 5, 6]


def test_sequence_gap_takes_the_number_of_an_update_that_is_never_said():
    served = exchange()
    with running(served) as kraken:
        sequences, kinds = asyncio.run(placed(kraken, served, "sequence_gap"))
    assert kinds == ["canceled"]
    assert sequences == [1, 4]


def test_accept_late_takes_an_order_after_its_connection_broke():
    served = exchange("accept_late=1")
    with running(served) as kraken:
        with pytest.raises(requests.ConnectionError):
            Trade(key=KEY, secret=SECRET, url=kraken.url).create_order(**ORDER)
        deadline = time.monotonic() + 10
        while not served.orders(KEY) and time.monotonic() < deadline:
            time.sleep(0.05)
        (order,) = served.orders(KEY)
        assert order.is_open
