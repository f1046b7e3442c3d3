"""A websocket server that speaks as Kraken does about a market of its own, and breaks on demand.

Every text is written here digit by digit and its checksum taken from the whole book by zlib: nothing of the
code under test is used.
"""

import asyncio
import json
import random
import zlib
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from gal_friday_core.times import MINUTE_NS, from_iso, to_iso

START = from_iso("2024-03-01")
LATEST_TRADES = 50
PAIRS = {"BTC/USD": (1, 8), "ETH/USD": (2, 8)}


def digits(units, decimals):
    text = f"{units:0{decimals + 1}d}"
    return f"{text[:-decimals]}.{text[-decimals:]}"


class LocalBook:
    """`levels` of both sides in integer units; the exchange keeps more of them than it shows."""

    def __init__(self, pair, depth, rng):
        self.pair, self.depth, self.rng = pair, depth, rng
        self.decimals = PAIRS[pair]
        self.sides = [
            {300_000 - 1 - step: rng.randrange(1, 10**9) for step in range(3 * depth)},
            {300_000 + 1 + step: rng.randrange(1, 10**9) for step in range(3 * depth)},
        ]

    def best(self, side):
        return sorted(self.sides[side].items(), reverse=side == 0)[: self.depth]

    def change(self):
        """One level set, moved or removed at random; what a subscriber must be told, per side."""
        side = self.rng.randrange(2)
        before = dict(self.best(side))
        price = self.rng.choice(list(before))
        if self.rng.random() < 0.4:
            del self.sides[side][price]
        else:
            self.sides[side][price] = self.rng.randrange(1, 10**9)
        if len(self.sides[side]) < 2 * self.depth:
            far = min(self.sides[side]) - 1 if side == 0 else max(self.sides[side]) + 1
            self.sides[side][far] = self.rng.randrange(1, 10**9)
        after = dict(self.best(side))
        told = [(price, 0)] if price not in after else []
        told += [item for item in after.items() if before.get(item[0]) != item[1]]
        return (told, []) if side == 0 else ([], told)

    def checksum(self):
        text = "".join(f"{price}{quantity}" for side in (1, 0) for price, quantity in self.best(side)[:10])
        return zlib.crc32(text.encode())

    def message(self, kind, bids, asks, stamp):
        price_decimals, qty_decimals = self.decimals

        def listed(levels):
            return ",".join(
                f'{{"price":{digits(price, price_decimals)},"qty":{digits(quantity, qty_decimals)}}}'
                for price, quantity in levels
            )

        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.pair}","bids":[{listed(bids)}],'
            f'"asks":[{listed(asks)}],"checksum":{self.checksum()},"timestamp":"{stamp}"}}]}}'
        )


class LocalKraken:
    """`requests` is all that clients asked; set `mute` to accept connections and say nothing ever."""

    def __init__(self, clock, seed=1, depth=10):
        self.clock = clock
        self.rng = random.Random(seed)
        self.books = {pair: LocalBook(pair, depth, self.rng) for pair in PAIRS}
        self.trades = {pair: [] for pair in PAIRS}
        self.subscribed = {}
        self.requests = []
        self.mute = False
        self.refusing = {}
        self.hung = set()
        self.stamp_ns = clock.now_ns
        for pair in PAIRS:
            for _ in range(3):
                self.add_trade(pair)

    def stamp(self):
        return to_iso(self.stamp_ns())

    def add_trade(self, pair):
        trades = self.trades[pair]
        trades.append(
            {
                "symbol": pair, "side": "buy", "price": 30000.1, "qty": 0.25, "ord_type": "market",
                "trade_id": len(trades) + 1, "timestamp": self.stamp(),
            }
        )  # fmt: skip
        return trades[-1]

    async def tell(self, channel, pair, text):
        for socket, wanted in list(self.subscribed.items()):
            if (channel, pair) in wanted and socket not in self.hung:
                with suppress(ConnectionClosed):
                    await socket.send(text)

    async def change(self, pair, *, send=True, spoil=None):
        """One change of the book; `spoil` alters the text on its way."""
        bids, asks = self.books[pair].change()
        text = self.books[pair].message("update", bids, asks, self.stamp())
        if send:
            await self.tell("book", pair, spoil(text) if spoil else text)

    async def trade(self, pair, *, send=True):
        trade = self.add_trade(pair)
        if send:
            await self.tell(
                "trade", pair, json.dumps({"channel": "trade", "type": "update", "data": [trade]})
            )

    async def candle(self, pair, minute):
        await self.tell(
            "ohlc", pair, json.dumps({"channel": "ohlc", "type": "update", "data": [ohlc(pair, minute)]})
        )

    def drop(self):
        """Every line is cut, as by a failing network box that says so."""
        for socket in self.subscribed:
            socket.transport.abort()

    def hang(self):
        """Every present line goes half-open: TCP stands, nobody reads or writes any more."""
        for socket in self.subscribed:
            self.hung.add(socket)
            socket.transport.pause_reading()

    async def serve_one(self, socket):
        if self.mute:
            await socket.wait_closed()
            return
        self.subscribed[socket] = set()
        heart = asyncio.ensure_future(self.beat(socket))
        try:
            await socket.send(
                '{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2"}]}'
            )
            async for text in socket:
                await self.answer(socket, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            heart.cancel()
            del self.subscribed[socket]

    async def beat(self, socket):
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(0.05)
                if socket not in self.hung:
                    await socket.send('{"channel":"heartbeat"}')

    async def answer(self, socket, request):
        self.requests.append(request)
        if request["method"] == "ping":
            await socket.send(json.dumps({"method": "pong", "req_id": request["req_id"]}))
            return
        params = request["params"]
        for pair in params.get("symbol", [None]):
            if (refusal := self.refusing.get((params["channel"], pair))) is not None:
                answer = {"method": request["method"], "success": False, "error": refusal, "symbol": pair}
                await socket.send(json.dumps(answer | {"req_id": request["req_id"]}))
                continue
            result = (
                {"channel": params["channel"], "symbol": pair} if pair else {"channel": params["channel"]}
            )
            answer = {"method": request["method"], "success": True, "result": result}
            await socket.send(json.dumps(answer | {"req_id": request["req_id"]}))
            if request["method"] == "subscribe":
                self.subscribed[socket].add((params["channel"], pair))
                await socket.send(self.snapshot(params["channel"], pair))
            else:
                self.subscribed[socket].discard((params["channel"], pair))

    def snapshot(self, channel, pair):
        if channel == "book":
            book = self.books[pair]
            return book.message("snapshot", book.best(0), book.best(1), self.stamp())
        data = {
            "instrument": lambda: {"assets": [], "pairs": [listing(pair) for pair in PAIRS]},
            "trade": lambda: self.trades[pair][-LATEST_TRADES:],
            "ohlc": lambda: [ohlc(pair, 0)],
        }[channel]()
        return json.dumps({"channel": channel, "type": "snapshot", "data": data})


def listing(pair):
    price_decimals, qty_decimals = PAIRS[pair]
    base, quote = pair.split("/")
    return {
        "symbol": pair, "base": base, "quote": quote, "status": "online", "price_precision": price_decimals,
        "price_increment": 10**-price_decimals, "qty_precision": qty_decimals, "qty_increment": 10**-qty_decimals,
        "qty_min": 0.0001, "cost_precision": 5, "cost_min": 0.5, "marginable": True, "has_index": True,
    }  # fmt: skip


def ohlc(pair, minute):
    return {
        "symbol": pair, "open": 1.5, "high": 2.5, "low": 1.0, "close": 2.0, "vwap": 1.7, "trades": 4,
        "volume": 0.25, "interval_begin": to_iso(START + minute * MINUTE_NS), "interval": 1,
    }  # fmt: skip


@asynccontextmanager
async def local_kraken(clock, **settings):
    """The server and its address."""
    venue = LocalKraken(clock, **settings)
    async with serve(venue.serve_one, "127.0.0.1", 0, ping_interval=None, close_timeout=0.1) as server:
        yield venue, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
        for socket in list(venue.subscribed):
            socket.transport.abort()
