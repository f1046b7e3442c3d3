"""NautilusTrader from raw book message to order bytes, run by an interpreter that has it: prints nanoseconds as JSON.

Imports nothing of the product. `bench_orders.py` makes the environment, the messages and the model, and calls
this. Its synchronous engines are used (the live ones put a queue and a wake-up between each two of them), its
strategy gets its fifty features from the book's numbers without computing any, and no checksum is verified: all
three make it faster than it is in use.
"""

import json
import sys
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import xgboost
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.data.client import MarketDataClient
from nautilus_trader.data.engine import DataEngine
from nautilus_trader.execution.client import ExecutionClient
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide, RecordFlag
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import AccountId, ClientId, InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.risk.engine import RiskEngine
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("KRAKEN")
PAIR = InstrumentId(Symbol("BTC/USD"), VENUE)
ACCOUNT = AccountId("KRAKEN-001")
WARM = 300


class Level(msgspec.Struct):
    price: float
    qty: float


class Book(msgspec.Struct):
    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: int


class Message(msgspec.Struct):
    channel: str
    type: str
    data: list[Book]


class Feed(MarketDataClient):
    """Turns Kraken's book messages into deltas, as an adapter does."""

    decode = staticmethod(msgspec.json.Decoder(Message).decode)

    def _start(self):
        pass

    def subscribe_order_book_deltas(self, command):
        pass

    def deltas(self, raw, now):
        message = self.decode(raw)
        book = message.data[0]
        made = []
        if message.type == "snapshot":
            made.append(OrderBookDelta.clear(PAIR, 0, now, now))
        for side, levels in ((OrderSide.BUY, book.bids), (OrderSide.SELL, book.asks)):
            for level in levels:
                action = BookAction.DELETE if level.qty == 0 else BookAction.UPDATE
                order = BookOrder(side, Price(level.price, 1), Quantity(level.qty, 8), 0)
                made.append(OrderBookDelta(PAIR, action, order, 0, 0, now, now))
        last = made[-1]
        made[-1] = OrderBookDelta(PAIR, last.action, last.order, RecordFlag.F_LAST, 0, now, now)
        return OrderBookDeltas(PAIR, made)


class Sender(ExecutionClient):
    """Writes the order as Kraken's add_order; `sent` is when its bytes were ready."""

    sent = 0
    payload = b""

    def _start(self):
        self._set_connected()

    def submit_order(self, command):
        order = command.order
        self.payload = msgspec.json.encode(
            {
                "method": "add_order",
                "params": {
                    "order_type": "limit",
                    "side": "buy",
                    "symbol": "BTC/USD",
                    "order_qty": float(order.quantity),
                    "limit_price": float(order.price),
                    "time_in_force": "ioc",
                    "cl_ord_id": order.client_order_id.value,
                    "token": "token",
                },
                "req_id": 1,
            }
        )
        self.sent = time.perf_counter_ns()


class Trader(Strategy):
    """Asks the model at each update, and buys what a fixed fraction of equity risks."""

    def __init__(self, booster, features):
        super().__init__()
        self.booster = booster
        self.features = np.zeros((1, features), np.float64)

    def on_start(self):
        self.subscribe_order_book_deltas(PAIR, BookType.L2_MBP, depth=10)

    def on_order_book_deltas(self, _deltas):
        book = self.cache.order_book(PAIR)
        bid, ask = float(book.best_bid_price()), float(book.best_ask_price())
        self.features[0, 0] = (ask - bid) / ask
        self.features[0, 1] = float(book.best_bid_size()) - float(book.best_ask_size())
        probability = float(self.booster.inplace_predict(self.features)[0])
        if probability < 0:
            return
        equity = self.portfolio.account(VENUE).balance_total(USD).as_decimal()
        quantity = equity * Decimal("0.005") / (Decimal(str(ask)) * Decimal("0.015"))
        instrument = self.cache.instrument(PAIR)
        order = self.order_factory.limit(
            PAIR,
            OrderSide.BUY,
            instrument.make_qty(quantity),
            instrument.make_price(ask),
        )
        self.submit_order(order)
        self.last = order


def build(booster, features):
    clock, cache = LiveClock(), Cache(database=None)
    trader = TraderId("BENCH-001")
    bus = MessageBus(trader_id=trader, clock=clock)
    portfolio = Portfolio(msgbus=bus, cache=cache, clock=clock)
    data = DataEngine(msgbus=bus, cache=cache, clock=clock)
    execution = ExecutionEngine(msgbus=bus, cache=cache, clock=clock)
    risk = RiskEngine(portfolio=portfolio, msgbus=bus, cache=cache, clock=clock, config=generous())
    cache.add_instrument(instrument())
    feed = Feed(client_id=ClientId("KRAKEN"), venue=VENUE, msgbus=bus, cache=cache, clock=clock)
    data.register_client(feed)
    sender = Sender(
        client_id=ClientId("KRAKEN"), venue=VENUE, oms_type=OmsType.NETTING, account_type=AccountType.CASH,
        base_currency=None, msgbus=bus, cache=cache, clock=clock,
    )  # fmt: skip
    sender._set_account_id(ACCOUNT)  # noqa: SLF001 - adapters do
    execution.register_client(sender)
    portfolio.update_account(funded())
    strategy = Trader(booster, features)
    strategy.register(trader_id=trader, portfolio=portfolio, msgbus=bus, cache=cache, clock=clock)
    for part in (data, risk, execution, sender, strategy):
        part.start()
    return feed, data, sender, strategy


def generous():
    from nautilus_trader.risk.config import RiskEngineConfig

    return RiskEngineConfig(max_order_submit_rate="1000000/00:00:01")


def instrument():
    return CurrencyPair(
        instrument_id=PAIR, raw_symbol=Symbol("BTC/USD"), base_currency=BTC, quote_currency=USD,
        price_precision=1, size_precision=8, price_increment=Price(0.1, 1), size_increment=Quantity(1e-8, 8),
        lot_size=None, max_quantity=None, min_quantity=Quantity(1e-4, 8), max_notional=None, min_notional=None,
        max_price=None, min_price=None, margin_init=Decimal(0), margin_maint=Decimal(0),
        maker_fee=Decimal("0.0016"), taker_fee=Decimal("0.0026"), ts_event=0, ts_init=0,
    )  # fmt: skip


def funded():
    balances = [
        AccountBalance(Money(100_000, USD), Money(0, USD), Money(100_000, USD)),
        AccountBalance(Money(0, BTC), Money(0, BTC), Money(0, BTC)),
    ]
    return AccountState(
        account_id=ACCOUNT, account_type=AccountType.CASH, base_currency=None, reported=True, balances=balances,
        margins=[], info={}, event_id=UUID4(), ts_event=0, ts_init=0,
    )  # fmt: skip


def main(messages, model, features):
    booster = xgboost.Booster()
    booster.load_model(bytearray(Path(model).read_bytes()))
    booster.set_param({"nthread": 1})
    feed, data, sender, strategy = build(booster, features)
    times, alone = [], []
    for raw in Path(messages).read_bytes().splitlines():
        sender.sent = 0
        started = time.perf_counter_ns()
        data.process(feed.deltas(raw, started))
        if not sender.sent:
            raise SystemExit("NautilusTrader sent no order for a message")
        times.append(sender.sent - started)
        sender.generate_order_rejected(  # outside the measured time: the order must not pile up
            strategy.id, PAIR, strategy.last.client_order_id, "bench", time.time_ns()
        )
        started = time.perf_counter_ns()
        booster.inplace_predict(strategy.features)
        alone.append(time.perf_counter_ns() - started)
    print(json.dumps({"path": times[WARM:], "model": alone[WARM:], "bytes": sender.payload.decode()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
