"""The rule by NautilusTrader: its own averages, a market order at the close of the bar, stop and target once it filled.

It fills no more than a bar's volume, and at the close it decided on.
"""

from decimal import Decimal

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.indicators.averages import ExponentialMovingAverage
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy
from peer_backtest import lots, main, protection

VENUE = Venue("SIM")
PAIR = InstrumentId(Symbol("BTCUSDT"), VENUE)
MINUTE_NS = 60_000_000_000
BARS = BarType.from_str(f"{PAIR}-1-MINUTE-LAST-EXTERNAL")


class Cross(Strategy):
    """Remembers its fills, for the list of trades."""

    def __init__(self, rule):
        super().__init__()
        self.rule = rule
        self.fast, self.slow = (ExponentialMovingAverage(span) for span in (rule.fast, rule.slow))
        self.was_above = False
        self.seen = 0
        self.busy = False
        self.filled = []
        self.wanted = (0.0, 0.0)

    def on_start(self):
        self.instrument = self.cache.instrument(PAIR)
        self.register_indicator_for_bars(BARS, self.fast)
        self.register_indicator_for_bars(BARS, self.slow)
        self.subscribe_bars(BARS)

    def on_bar(self, bar):
        self.seen += 1
        above = self.fast.value > self.slow.value
        crossed = above and not self.was_above and self.seen > self.rule.slow
        self.was_above = above
        if not crossed or self.busy:
            return
        close = bar.close.as_double()
        equity = self.portfolio.account(VENUE).balance_total(USDT).as_double()
        self.wanted = protection(close, self.rule)
        self.busy = True
        quantity = Quantity(lots(self.rule.share * equity / close), 8)
        self.submit_order(self.order_factory.market(PAIR, OrderSide.BUY, quantity))

    def on_order_filled(self, event):
        self.filled.append((event.ts_event, event.order_side, event.last_px.as_double()))
        if event.order_side == OrderSide.SELL:
            self.cancel_all_orders(PAIR)
            self.busy = False
            return
        stop, target = (Price(price, 1) for price in self.wanted)
        sell = OrderSide.SELL
        self.submit_order(self.order_factory.stop_market(PAIR, sell, event.last_qty, stop, reduce_only=True))
        self.submit_order(self.order_factory.limit(PAIR, sell, event.last_qty, target, reduce_only=True))


def pair(rule):
    fee = Decimal(str(rule.fee))
    return CurrencyPair(
        instrument_id=PAIR, raw_symbol=PAIR.symbol, base_currency=BTC, quote_currency=USDT, price_precision=1,
        size_precision=8, price_increment=Price(0.1, 1), size_increment=Quantity(1e-8, 8), lot_size=None,
        max_quantity=None, min_quantity=None, max_notional=None, min_notional=None, max_price=None, min_price=None,
        margin_init=Decimal(0), margin_maint=Decimal(0), maker_fee=fee, taker_fee=fee, ts_event=0, ts_init=0,
    )  # fmt: skip


def prepare(bars, rule):
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet))
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.CASH,
        starting_balances=[Money(rule.cash, USDT)],
        bar_execution=True,
    )
    engine.add_instrument(pair(rule))
    prices = ([Price(price, 1) for price in bars[name]] for name in ("open", "high", "low", "close"))
    volumes = [Quantity(volume, 8) for volume in bars["volume"]]
    closes = (bars["ts"] + MINUTE_NS).tolist()
    engine.add_data(
        [Bar(BARS, *five, close, close) for *five, close in zip(*prices, volumes, closes, strict=True)]
    )
    strategy = Cross(rule)
    engine.add_strategy(strategy)
    return engine, strategy, bars


def run(prepared):
    prepared[0].run()
    return prepared


def told(result):
    engine, strategy, bars = result
    ts, trades, entry, held = bars["ts"], [], None, 0.0
    for moment, side, price in strategy.filled:
        row = int(np.searchsorted(ts, moment, "left"))
        if side == OrderSide.BUY:
            entry = (row, price)
        else:
            trades.append((entry[0], row - 1, entry[1], price))
            entry = None
    account = engine.portfolio.account(VENUE)
    if entry is not None:
        held = float(engine.portfolio.net_position(PAIR))
    return trades, account.balance_total(USDT).as_double() + held * float(bars["close"][-1])


if __name__ == "__main__":
    main(nautilus_trader.__version__, prepare, run, told)
