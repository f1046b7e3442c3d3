"""python-kraken-sdk's websocket v2 client and order book, with nothing changed but their URLs."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from kraken.spot import Market, SpotOrderBookClient, SpotWSClient, Trade

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_core.times import MINUTE_NS
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange, running

Message = dict[str, Any]
PAIR = "BTC/USD"


class Heard:
    """What a client was told, and waiting for what it has not been told yet."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._more = asyncio.Condition()

    async def take(self, message: Message) -> None:
        async with self._more:
            self.messages.append(message)
            self._more.notify_all()

    async def wait(self, wanted: Callable[[Message], Any]) -> Message:
        async with asyncio.timeout(10), self._more:
            await self._more.wait_for(lambda: any(wanted(message) for message in self.messages))
        return next(message for message in self.messages if wanted(message))

    def entries(self, channel: str) -> list[Message]:
        return [
            entry
            for message in self.messages
            if message.get("channel") == channel
            for entry in message["data"]
        ]


async def of_channel(heard: Heard, channel: str, **fields: Any) -> Message:
    """The first entry of a channel that carries these fields."""
    message = await heard.wait(
        lambda message: (
            message.get("channel") == channel
            and any(fields.items() <= entry.items() for entry in message["data"])
        )
    )
    return next(entry for entry in message["data"] if fields.items() <= entry.items())


def test_private_client_places_amends_fills_and_cancels(kraken: SimulatedKraken):
    async def trade() -> None:
        heard = Heard()
        client = SpotWSClient(
            key=KEY,
            secret=SECRET,
            callback=heard.take,
            no_public=True,
            rest_url=kraken.url,
            auth_ws_url=kraken.socket_url,
        )
        await client.start()
        try:
            await client.subscribe(params={"channel": "executions"})
            await client.subscribe(params={"channel": "balances"})
            await trade_on(client, heard)
        finally:
            await client.close()

    asyncio.run(trade())


async def trade_on(client: SpotWSClient, heard: Heard) -> None:
    balance = await of_channel(heard, "balances", asset="BTC")
    assert balance["balance"] == 2
    order = {"order_type": "limit", "side": "buy", "order_qty": 0.6, "symbol": PAIR, "limit_price": 30000.1}
    await client.send_message({"method": "add_order", "req_id": 1, "params": order})
    order_id = (await heard.wait(lambda message: message.get("req_id") == 1))["result"]["order_id"]

    fill = await of_channel(heard, "executions", exec_type="trade", order_id=order_id)
    assert (fill["last_qty"], fill["last_price"], fill["liquidity_ind"]) == (0.5, 30000.1, "t")
    assert fill["fees"] == [{"asset": "USD", "qty": 60.0002}]
    bought = await of_channel(heard, "balances", asset="BTC", ref_id=fill["exec_id"])
    assert (bought["amount"], bought["balance"], bought["type"]) == (0.5, 2.5, "trade")

    amend = {"order_id": order_id, "order_qty": 0.7, "limit_price": 29000.5}
    await client.send_message({"method": "amend_order", "req_id": 2, "params": amend})
    amended = await of_channel(heard, "executions", exec_type="amended")
    assert (amended["order_qty"], amended["limit_price"]) == (0.7, 29000.5)

    await client.send_message({"method": "cancel_order", "req_id": 3, "params": {"order_id": [order_id]}})
    cancelled = await of_channel(heard, "executions", exec_type="canceled")
    assert (cancelled["cum_qty"], cancelled["reason"]) == (0.5, "User requested")

    market = {"order_type": "market", "side": "sell", "order_qty": 1.5, "symbol": PAIR}
    await client.send_message({"method": "add_order", "req_id": 4, "params": market})
    sold = (await heard.wait(lambda message: message.get("req_id") == 4))["result"]["order_id"]
    filled = await of_channel(heard, "executions", exec_type="filled", order_id=sold)
    assert (filled["order_status"], filled["cum_qty"]) == ("filled", 1.5)

    sequences = [message["sequence"] for message in heard.messages if message.get("channel") == "executions"]
    assert sequences == list(range(1, len(sequences) + 1))
    told = [entry["exec_type"] for entry in heard.entries("executions") if entry["order_id"] == order_id]
    assert told == ["pending_new", "new", "trade", "amended", "canceled"]


def test_public_client_hears_every_channel():
    late_ns = time.time_ns() % MINUTE_NS  # both trades of the minute's bar are to be of one minute

    async def listen(kraken: SimulatedKraken) -> None:
        heard = Heard()
        client = SpotWSClient(callback=heard.take, rest_url=kraken.url, ws_url=kraken.socket_url)
        await client.start()
        try:
            for params in (
                {"channel": "instrument"},
                {"channel": "book", "symbol": [PAIR], "depth": 25},
                {"channel": "ticker", "symbol": [PAIR]},
                {"channel": "trade", "symbol": [PAIR], "snapshot": True},
                {"channel": "ohlc", "symbol": [PAIR], "interval": 1},
            ):
                await client.subscribe(params=params)
                await heard.wait(
                    lambda message, channel=params["channel"]: (
                        message.get("channel") == channel and message["type"] == "snapshot"
                    )
                )
            trade = Trade(key=KEY, secret=SECRET, url=kraken.url)
            await asyncio.to_thread(
                trade.create_order, ordertype="market", side="buy", volume=0.25, pair="XBTUSD"
            )
            trade_told = await of_channel(heard, "trade", trade_id=2)
            assert (trade_told["price"], trade_told["qty"], trade_told["side"]) == (30000.1, 0.25, "buy")
            ticker = await of_channel(heard, "ticker", ask_qty=0.25)
            assert (ticker["bid"], ticker["ask"], ticker["volume"]) == (29999.9, 30000.1, 0.75)
            candle = await of_channel(heard, "ohlc", trades=2)
            assert (candle["interval"], candle["volume"]) == (1, 0.75)
            assert client.active_public_subscriptions[1]["symbol"] == [PAIR]
        finally:
            await client.close()

    with running(exchange(now=lambda: time.time_ns() - late_ns)) as kraken:
        asyncio.run(listen(kraken))


def updates(book: "Book") -> int:
    return sum(message["type"] == "update" for message in book.heard.messages)


class Book(SpotOrderBookClient):
    """Notes whether the SDK's own checksum agreed after each update."""

    def __init__(self) -> None:
        super().__init__(depth=10)
        self.heard = Heard()

    async def on_book_update(self, pair: str, message: Message) -> None:
        if "error" not in message:
            await self.heard.take({"valid": self.get(pair)["valid"], "type": message["type"]})


def test_order_book_client_verifies_every_update(kraken: SimulatedKraken, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Book, "WS_URL", kraken.socket_url)
    monkeypatch.setattr(Market, "URL", kraken.url)  # the client makes its own Market, which takes no URL
    prices = (30000.0, 29999.9, 29999.6, 30000.0, 29999.3)

    async def follow() -> None:
        book = Book()
        await book.start()
        try:
            await book.add_book(pairs=[PAIR])
            await book.heard.wait(lambda message: message["type"] == "snapshot")
            trade = Trade(key=KEY, secret=SECRET, url=kraken.url)
            for price in prices:
                await asyncio.to_thread(
                    trade.create_order,
                    ordertype="limit",
                    side="buy",
                    volume=0.01,
                    pair="XBTUSD",
                    price=price,
                )
            await asyncio.to_thread(
                trade.create_order, ordertype="market", side="buy", volume=2.2, pair="XBTUSD"
            )
            await asyncio.to_thread(trade.cancel_all_orders)
            # One for each order placed, one for the market order, and one again for each order cancelled.
            await book.heard.wait(lambda _: updates(book) == 2 * len(prices) + 1)
            assert all(message["valid"] for message in book.heard.messages)
            assert len(book.get(PAIR)["ask"]) == len(book.get(PAIR)["bid"]) == 10
        finally:
            await book.close()

    asyncio.run(follow())
