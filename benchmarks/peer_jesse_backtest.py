"""The rule by jesse: its research function and its fast mode, outside of any project and without a database.

It fills at the close of the deciding bar. Its averages are asked for at every bar over all that came before; one array
of them, as its own documentation recommends for speed, is made once instead.
"""

from importlib.metadata import version

import numpy as np
from jesse import research
from jesse.strategies import Strategy
from peer_backtest import fires, head, lots, main, pandas_ema, protection

EXCHANGE, SYMBOL = "Binance Spot", "BTC-USDT"
MINUTE_MS = 60_000


class Cross(Strategy):
    """Class attributes, as the framework makes the object."""

    rule = None
    crossed = frozenset()

    def should_long(self):
        return int(self.current_candle[0]) in self.crossed

    def should_cancel_entry(self):
        return True

    def go_long(self):
        quantity = lots(self.rule.share * self.balance / self.price)
        self.buy = quantity, self.price

    def on_open_position(self, order):
        stop, target = protection(order.price, self.rule)
        self.stop_loss = self.position.qty, stop
        self.take_profit = self.position.qty, target


def candles(bars):
    """Milliseconds, open, close, high, low, volume: its own order."""
    columns = (bars["ts"] / 1e6, bars["open"], bars["close"], bars["high"], bars["low"], bars["volume"])
    return np.ascontiguousarray(np.column_stack(columns))


def simulate(bars, rule):
    crossed = fires(bars, rule, pandas_ema)
    Cross.rule, Cross.crossed = rule, frozenset((bars["ts"][crossed] // 1_000_000).tolist())
    config = {
        "starting_balance": rule.cash, "fee": rule.fee, "type": "spot", "exchange": EXCHANGE, "warm_up_candles": 0,
    }  # fmt: skip
    routes = [{"exchange": EXCHANGE, "strategy": Cross, "symbol": SYMBOL, "timeframe": "1m"}]
    given = {f"{EXCHANGE}-{SYMBOL}": {"exchange": EXCHANGE, "symbol": SYMBOL, "candles": candles(bars)}}
    return research.backtest(config, routes, [], given, fast_mode=True)


def prepare(bars, rule):
    simulate(head(bars, 3_000), rule)
    return bars, rule


def run(prepared):
    return prepared[0]["ts"], simulate(*prepared), prepared[1]


def told(result):
    ts, found, rule = result
    start = int(ts[0]) // 1_000_000
    trades = [
        (
            (trade["opened_at"] - start) / MINUTE_MS,
            (trade["closed_at"] - start) / MINUTE_MS - 1,
            trade["entry_price"],
            trade["exit_price"],
        )
        for trade in found["trades"]
    ]
    return trades, rule.cash + found["metrics"]["net_profit"]


if __name__ == "__main__":
    main(version("jesse"), prepare, run, told)
