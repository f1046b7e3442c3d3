"""From the bytes of a book message to the bytes of an order, beside NautilusTrader.

Each message goes through the whole engine: line, book with checksum, 52 features of bars, book and trades, a model
of 300 trees (depth 6), calibration, strategy, risk, order, private line. The journal answers at once here, so that
its write is not in the figure; what a durable write costs is measured beside it, on the embedded PostgreSQL.
NautilusTrader gets the same messages and the same trees, called in its strategy (`peer_nautilus_orders.py` says
what it is spared). Wall time of one core, medians and 99th percentiles, both in one run, in turns.
"""

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import xgboost

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import peers
from benchmarks.bench_book import walk
from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange, KrakenSettings
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.features.book_set import CANDLES_BOOK_V1
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor, schema_document
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso
from gal_friday_live.clock import SimulatedClock, SystemClock
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import derived
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.wiring import Ports, build
from tests.live.world import CALM, SERIES, manager, market

TREES, DEPTH, MESSAGES, WARM, ROUNDS = 300, 6, 2_300, 300, 3
START = from_iso("2023-07-30T15:30:00Z")
PAIR = SERIES.pair


def trained():
    """A booster whose trees are full, over as many columns as the combined feature set has."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(20_000, len(CANDLES_BOOK_V1)))
    labels = matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + rng.normal(size=len(matrix)) > 0.3
    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "max_depth": DEPTH, "eta": 0.05, "nthread": 1, "seed": 1,
    }  # fmt: skip
    return bytes(xgboost.train(settings, xgboost.DMatrix(matrix, labels), TREES).save_raw("ubj"))


def predictor(model):
    """The trees as the engine gets them; every prediction is worth a trade."""
    metadata = ModelMetadata(
        series=SERIES.key, target=TARGET, schema_hash=CANDLES_BOOK_V1.hash, entry_threshold=1e-6, mean_win=0.01,
        mean_loss=0.01, holdout_start_ns=0, oos_quantiles={"0.95": 0.5}, label="none",
        barriers=BarriersConfig().model_dump(), costs=CostsConfig().model_dump(mode="json"), data={}, training={},
        seed=1, config_hash="", code_version="", libraries={}, parity={},
    )  # fmt: skip
    files = {
        artifact.MODEL: model,
        artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(Platt(1.0, 0.0))),
        artifact.FEATURES: artifact.to_json(schema_document(CANDLES_BOOK_V1)),
        artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
        artifact.REPORT: artifact.to_json({}),
    }
    return Predictor.from_files(
        artifact.seal(files), model_id=f"{SERIES.key}@v1", model_type=SERIES.key, version=1
    )


class PublicKraken:
    """The other end of the public line: grants what is asked for, and says what it is told to."""

    def __init__(self, snapshot):
        self.snapshot = snapshot
        self.say = None

    async def connect(self, _url, listener):
        self.say = listener.on_message
        listener.on_message(b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2",'
                            b'"connection_id":1,"version":"2.0.0"}]}')  # fmt: skip
        return self

    def send(self, message):
        asked = json.loads(message)
        asyncio.get_running_loop().call_soon(self.answer, asked)

    def answer(self, asked):
        if asked["method"] == "ping":
            self.say(json.dumps({"method": "pong", "req_id": asked["req_id"]}).encode())
            return
        params = asked["params"]
        result = {key: value for key, value in params.items() if key != "symbol"}
        for symbol in params.get("symbol", [None]):
            named = result | ({"symbol": symbol} if symbol else {})
            self.say(
                json.dumps(
                    {"method": "subscribe", "success": True, "req_id": asked["req_id"], "result": named}
                ).encode()
            )
        if params["channel"] == "instrument":
            self.say(json.dumps(LISTING).encode())
        if params["channel"] == "book":
            self.say(self.snapshot)

    def close(self): ...


LISTING = {
    "channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": [{
        "symbol": PAIR, "base": "BTC", "quote": "USD", "status": "online", "qty_precision": 8, "qty_increment": 1e-08,
        "price_precision": 1, "cost_precision": 5, "marginable": False, "has_index": True, "cost_min": 0.5,
        "tick_size": 0.1, "price_increment": 0.1, "qty_min": 0.0001,
    }]},
}  # fmt: skip


class PrivateKraken:
    """The other end of the private line: notes when an order's bytes were handed over, and refuses it when told."""

    def __init__(self):
        self.sent = 0
        self.order = b""
        self.say = None

    async def connect(self, _url, listener):
        self.say = listener.on_message
        return self

    def send(self, message):
        if b'"add_order"' in message:
            self.sent = time.perf_counter_ns()
            self.order = message
            return
        asked = json.loads(message)
        asyncio.get_running_loop().call_soon(self.grant, asked)

    def grant(self, asked):
        if asked["method"] == "ping":
            self.say(json.dumps({"method": "pong", "req_id": asked["req_id"]}).encode())
            return
        channel = asked["params"]["channel"]
        result = {"channel": channel}
        self.say(
            json.dumps(
                {"method": "subscribe", "success": True, "req_id": asked["req_id"], "result": result}
            ).encode()
        )
        data = (
            []
            if channel == "executions"
            else [{"asset": "USD", "asset_class": "currency", "balance": 100_000.0, "wallets": []}]
        )
        self.say(json.dumps({"channel": channel, "type": "snapshot", "sequence": 1, "data": data}).encode())

    def refuse(self):
        """End the order, so that the next message may propose another."""
        number = json.loads(self.order)["req_id"]
        self.say(json.dumps({"method": "add_order", "req_id": number, "success": False,
                             "error": "EOrder:Insufficient funds"}).encode())  # fmt: skip

    def close(self): ...


class QuietRest:
    """An account that has only money."""

    async def websocket_token(self):
        return "token"

    async def nothing(self, *_, **__):
        return ()

    fills = open_orders = query_orders = closed_orders = flows = nothing

    async def balances(self):
        return {"USD": Decimal(100_000)}

    async def close(self): ...


class Desk:
    """The engine between the two ends of the wire, warm and standing."""

    def __init__(self, model, snapshot, book_every_ms=1):
        self.clock = SimulatedClock(START)
        self.public, self.private = PublicKraken(snapshot), PrivateKraken()
        settings = manager(
            features={"sets": ["candles-book-v1"], "book_every_ms": book_every_ms},
            market={"max_lag_s": 10**9},
            risk=CALM,
        )
        exchange = KrakenExchange(
            QuietRest(), self.clock, KrakenSettings(tier="pro"), transport=self.private,
            patience=Patience(silence_s=10**6), timer=lambda: self.clock.now_ns() / SECOND_NS, sleep=soon,
        )  # fmt: skip
        feed = KrakenClient(
            (SERIES,), self.clock, transport=self.public, patience=Patience(lag_s=10**9, silence_s=4)
        )
        walked = market(3_000)
        history = replace(walked, ts=START + np.arange(-len(walked), 0) * MINUTE_NS)
        self.journal = MemoryJournal(keep_notes=False)
        self.engine = build(
            settings,
            Ports(
                series=(SERIES,), instruments=(instrument(),), clock=self.clock, feed=feed, exchange=exchange,
                models=FixedModels(predictor(model)), journal=self.journal, history={SERIES: history},
            ),
        )  # fmt: skip
        self.exchange, self.feed = exchange, feed

    async def start(self):
        self.beating = asyncio.ensure_future(self.beat())
        await self.engine.start()
        self.running = asyncio.ensure_future(self.engine.run())
        await self.feed.standing()
        gc.collect()
        gc.freeze()  # as the live engine does once it is ready

    async def beat(self):
        """Kraken says something every second."""
        while True:
            for line in (self.public, self.private):
                if line.say is not None:
                    line.say(b'{"channel":"heartbeat"}')
            await asyncio.sleep(0.25)

    async def refused(self):
        """End the order that was sent, if one was: the next message may then propose another."""
        if self.private.sent:
            self.private.refuse()
        self.private.sent = 0
        await self.engine.tasks.settle()

    async def stop(self):
        await self.engine.stop()
        await self.running
        self.beating.cancel()
        gc.unfreeze()


async def soon(_seconds):
    """The exchange lives in the market's time, which passes faster than ours."""
    await asyncio.sleep(0.01)


def instrument():
    return Instrument(
        PAIR, price_tick=Decimal("0.1"), lot=Decimal("1e-8"), min_quantity=Decimal("0.0001"), min_cost=Decimal("0.5"),
        price_decimals=1, qty_decimals=8,
    )  # fmt: skip


def bar(start):
    price = Decimal("29430.3")
    return MarketDataOHLCV(
        trading_pair=PAIR, exchange="kraken", interval="1m", timestamp_bar_start=start, open=price, high=price,
        low=price, close=price, volume=Decimal(1), trades=3,
    )  # fmt: skip


def trade(number, ts):
    return MarketDataTrade(
        trading_pair=PAIR, exchange="kraken", trade_id=str(number), side="BUY" if number % 2 else "SELL",
        price=Decimal("29430.3") + number % 7, volume=Decimal("0.01"), timestamp_exchange=ts,
    )  # fmt: skip


async def ours(model, raws):
    """Nanoseconds of each message that became an order, and the last order's bytes."""
    desk = Desk(model, raws[0])
    await desk.start()
    clock, engine, private = desk.clock, desk.engine, desk.private
    times = []
    for number, raw in enumerate(raws[1:]):
        clock.advance_to(clock.now_ns() + SECOND_NS)
        now = clock.now_ns()
        if now % MINUTE_NS < SECOND_NS:
            engine.ingestor.on_candle(bar(now - now % MINUTE_NS - MINUTE_NS))
            await engine.ingestor.drained()
        engine.ingestor.on_trades(PAIR, [trade(number, now)], now)
        await engine.ingestor.drained()
        await desk.refused()  # a bar's close makes an order too
        started = time.perf_counter_ns()
        desk.public.say(raw)
        if private.sent:
            times.append(private.sent - started)
        await desk.refused()
        await asyncio.sleep(0)  # let timers run
    summary = engine.summary()
    await desk.stop()
    if len(times) < WARM * 2:
        raise SystemExit(f"the engine sent only {len(times)} orders: {summary}")
    return times[WARM:], private.order


async def durable_write(url):
    """Nanoseconds of each intent's way to the disk."""
    times = []
    async with Database(url) as database:
        journal = PostgresJournal(database, derived("bench"), SystemClock())
        await journal.begin("bench", config_hash="", code_version="")
        for number in range(500):
            record = {"client_order_id": str(number), "quantity": Decimal("0.01"), "price": Decimal(29430)}
            started = time.perf_counter_ns()
            await journal.append("ORDER_INTENT", str(number), number, record)
            times.append(time.perf_counter_ns() - started)
        await journal.close()
    return times


def theirs(python, messages, model):
    script = Path(__file__).with_name("peer_nautilus_orders.py")
    done = subprocess.run(
        [python, script, messages, model, str(len(CANDLES_BOOK_V1))],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def shown(name, times):
    ordered = sorted(times)
    return f"{name:44} p50 {ordered[len(ordered) // 2] / 1e3:7.1f} µs   p99 {ordered[len(ordered) * 99 // 100] / 1e3:7.1f} µs"


def main():
    model, raws = trained(), walk(10, MESSAGES)
    python = peers.nautilus("xgboost-cpu")
    mine, peer, alone = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        messages, trees = Path(folder) / "messages", Path(folder) / "model.ubj"
        messages.write_bytes(b"\n".join(raws) + b"\n")
        trees.write_bytes(model)
        for _ in range(ROUNDS):
            gc.collect()
            times, order = asyncio.run(ours(model, raws))
            mine.append(times)
            found = theirs(python, messages, trees)
            peer.append(found["path"])
            alone.append(found["model"])
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            url = server.url("gal_friday")
            upgrade(url)
            written = asyncio.run(durable_write(url))
    print(f"book message to order bytes, {ROUNDS} rounds of {len(mine[0]):,} orders in turns, {peers.NAUTILUS}, "
          f"Python {sys.version.split()[0]}")  # fmt: skip
    ours_p50, theirs_p50 = (statistics.median(map(statistics.median, runs)) for runs in (mine, peer))
    print(shown("Gal-Friday", chain.from_iterable(mine)))
    print(shown("NautilusTrader, inplace_predict in its strategy", chain.from_iterable(peer)))
    print(shown("  of which inplace_predict", chain.from_iterable(alone)))
    print(shown("a durable journal write, apart", written))
    print(f"ratio of medians {theirs_p50 / ours_p50:.1f}; without any model on their side "
          f"{(theirs_p50 - statistics.median(map(statistics.median, alone))) / ours_p50:.1f}")  # fmt: skip
    print(f"the order as sent: {order.decode()}")


if __name__ == "__main__":
    main()
