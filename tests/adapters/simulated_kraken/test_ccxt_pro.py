"""ccxt's websocket client on the simulated exchange, changed in nothing but its URLs."""

import asyncio
from collections.abc import Awaitable, Callable

import ccxt.pro

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from tests.adapters.simulated_kraken.running import KEY, SECRET

PAIR = "BTC/USD"


def with_client(kraken: SimulatedKraken, conversation: Callable[[ccxt.pro.kraken], Awaitable[None]]) -> None:
    socket = f"{kraken.socket_url}/v2"
    sockets = dict.fromkeys(("public", "publicV2", "private", "privateV2"), socket)
    urls = {"api": {"public": kraken.url, "private": kraken.url, "ws": sockets}}

    async def run() -> None:
        client = ccxt.pro.kraken({"apiKey": KEY, "secret": SECRET, "urls": urls, "enableRateLimit": False})
        try:
            async with asyncio.timeout(20):
                await conversation(client)
        finally:
            await client.close()

    asyncio.run(run())


def test_book_ticker_trades_and_bars_are_watched(kraken: SimulatedKraken):
    async def conversation(client: ccxt.pro.kraken) -> None:
        book = await client.watch_order_book(PAIR, limit=10)
        assert (book["asks"][0], book["bids"][0]) == ([30000.1, 0.5], [29999.9, 1.0])
        assert (await client.watch_ticker(PAIR))["last"] == 30000.1
        assert (await client.watch_ohlcv(PAIR, "1m"))[-1][4] == 30000.1
        trades = asyncio.create_task(client.watch_trades(PAIR))
        changed = asyncio.create_task(client.watch_order_book(PAIR, limit=10))
        await client.create_order(PAIR, "market", "buy", 0.25)
        assert (await trades)[-1]["price"] == 30000.1
        assert (await changed)["asks"][0] == [30000.1, 0.25]

    with_client(kraken, conversation)


def test_orders_are_placed_changed_and_cancelled_over_the_socket(kraken: SimulatedKraken):
    async def conversation(client: ccxt.pro.kraken) -> None:
        assert (await client.watch_balance())["BTC"]["total"] == 2
        placed = await client.create_order_ws(PAIR, "limit", "buy", 0.01, 29000)
        changed = await client.edit_order_ws(placed["id"], PAIR, "limit", "buy", 0.02, 29100)
        assert changed["id"] == placed["id"]
        assert (await client.fetch_order(placed["id"]))["price"] == 29100
        orders = await client.watch_orders()
        assert [(order["id"], order["amount"]) for order in orders] == [(placed["id"], 0.02)]
        await client.cancel_order_ws(placed["id"])
        assert (await client.fetch_order(placed["id"]))["status"] == "canceled"

    with_client(kraken, conversation)


def test_fills_are_watched(kraken: SimulatedKraken):
    async def conversation(client: ccxt.pro.kraken) -> None:
        await client.create_order(PAIR, "limit", "buy", 0.01, 29000)
        await client.watch_orders()  # the snapshot: from here on the client is subscribed
        fills = asyncio.create_task(client.watch_my_trades())
        placed = await client.create_order_ws(PAIR, "market", "buy", 0.1)
        fill = (await fills)[-1]
        assert (fill["order"], fill["price"], fill["amount"]) == (placed["id"], 30000.1, 0.1)

    with_client(kraken, conversation)
