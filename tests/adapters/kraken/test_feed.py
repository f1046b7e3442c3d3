"""The public feed against a local server that speaks as Kraken does."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from gal_friday_adapters.kraken.feed import KrakenFeed, Patience
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.times import MINUTE_NS, from_iso, to_iso
from gal_friday_live.clock import SystemClock

SERIES = Series("kraken", "BTC/USD", "1m")
START = from_iso("2024-03-01")
STATUS = {"channel": "status", "type": "update", "data": [{"system": "online", "api_version": "v2"}]}
HEARTBEAT = {"channel": "heartbeat"}
# Old candles are beyond any clock's grace: what is tested here is order, so the clock must not finish them.
PATIENT = Patience(open_s=5, idle_s=30, grace_s=10**9, retry_s=0.01, retry_max_s=0.02, first_attempts=2)


def ohlc(*minutes, kind="update"):
    data = [
        {
            "symbol": "BTC/USD", "open": 1.5, "high": 2.5, "low": 1.0, "close": 2.0, "vwap": 1.7, "trades": 4,
            "volume": 0.25, "interval_begin": to_iso(START + minute * MINUTE_NS), "interval": 1,
        }
        for minute in minutes
    ]  # fmt: skip
    return {"channel": "ohlc", "type": kind, "data": data}


def acknowledgement(request):
    result = {"channel": "ohlc", "symbol": "BTC/USD", "interval": 1, "snapshot": True}
    return {"method": "subscribe", "result": result, "success": True, "req_id": request["req_id"]}


@asynccontextmanager
async def kraken(*sessions):
    """A server that plays one session a connection; the last one stays open."""
    requests, remaining = [], list(sessions)

    async def handler(socket):
        messages = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        await socket.send(json.dumps(STATUS))
        request = json.loads(await socket.recv())
        requests.append(request)
        for message in messages:
            await socket.send(json.dumps(message(request) if callable(message) else message))
        if len(requests) >= len(sessions):
            await socket.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}", requests


async def take(feed, count):
    """The first finals as minutes from the start."""
    taken = []
    async with aclosing(feed.candles()) as candles, asyncio.timeout(20):
        async for candle in candles:
            assert candle.closed
            taken.append((candle.timestamp_bar_start - START) // MINUTE_NS)
            if len(taken) == count:
                break
    return taken


def test_final_candles_come_once_and_in_order():
    async def run():
        session = (
            acknowledgement,
            ohlc(0, 1, 2, kind="snapshot"),
            HEARTBEAT,
            ohlc(2),
            ohlc(3),
            ohlc(3),
            ohlc(5),
        )
        async with kraken(session) as (url, requests):
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=PATIENT)
            assert await take(feed, 4) == [0, 1, 2, 3]
            assert requests[0]["params"] == {
                "channel": "ohlc", "symbol": ["BTC/USD"], "interval": 1, "snapshot": True,
            }  # fmt: skip

    asyncio.run(run())


def test_a_lost_connection_is_made_again_and_its_snapshot_fills_the_hole():
    async def run():
        first = (acknowledgement, ohlc(0, 1, kind="snapshot"))
        second = (acknowledgement, ohlc(0, 1, 2, 3, kind="snapshot"), ohlc(4))
        async with kraken(first, second) as (url, requests):
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=PATIENT)
            assert await take(feed, 4) == [0, 1, 2, 3]
            assert len(requests) == feed.connections == 2

    asyncio.run(run())


def test_a_silent_line_is_dead_and_replaced():
    async def run():
        impatient = Patience(open_s=5, idle_s=0.2, grace_s=10**9, retry_s=0.01, retry_max_s=0.02)
        first = (acknowledgement, ohlc(0, kind="snapshot"))
        second = (acknowledgement, ohlc(0, 1, kind="snapshot"))
        silent = asyncio.Event()

        async def handler(socket):
            await socket.send(json.dumps(STATUS))
            request = json.loads(await socket.recv())
            session = second if silent.is_set() else first
            silent.set()
            for message in session:
                await socket.send(json.dumps(message(request) if callable(message) else message))
            await socket.wait_closed()

        async with serve(handler, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=impatient)
            assert await take(feed, 1) == [0]
            assert feed.connections == 2

    asyncio.run(run())


def test_the_clock_makes_the_last_candle_final_without_another_message():
    async def run():
        prompt = Patience(open_s=5, idle_s=30, grace_s=0, retry_s=0.01)
        async with kraken((acknowledgement, ohlc(0, kind="snapshot"))) as (url, _):
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=prompt)
            assert await take(feed, 1) == [0]

    asyncio.run(run())


def test_an_unreachable_exchange_is_one_clear_error():
    async def run():
        async with kraken(()) as (url, _):
            pass
        feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=PATIENT)
        with pytest.raises(ExchangeError, match=r"cannot reach Kraken at ws://127.* after 2 attempts"):
            await take(feed, 1)

    asyncio.run(run())


def test_a_refused_subscription_names_the_reason():
    async def run():
        refusal = {"method": "subscribe", "success": False, "error": "Currency pair not supported NO/PAIR"}
        async with kraken((refusal,)) as (url, _):
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=PATIENT)
            with pytest.raises(ExchangeError, match="Currency pair not supported"):
                await take(feed, 1)

    asyncio.run(run())


def test_what_is_not_krakens_protocol_is_one_clear_error():
    async def run():
        async def handler(socket):
            await socket.send("<html>maintenance</html>")
            await socket.wait_closed()

        async with serve(handler, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=PATIENT)
            with pytest.raises(ExchangeError, match="not Kraken's"):
                await take(feed, 1)

    asyncio.run(run())


def test_closing_ends_the_feed_while_it_waits():
    async def run():
        async with kraken((acknowledgement, ohlc(0, 1, kind="snapshot"))) as (url, _):
            feed = KrakenFeed((SERIES,), SystemClock(), url=url, patience=PATIENT)
            seen = []
            async with asyncio.timeout(20):
                async for candle in feed.candles():
                    seen.append(candle)
                    asyncio.get_running_loop().call_soon(asyncio.ensure_future, feed.close())
            assert len(seen) == 1

    asyncio.run(run())
