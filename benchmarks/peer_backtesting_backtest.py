"""The rule by backtesting.py: averages over all bars first, then `next` bar by bar; orders fill at the next open.

Whole units only: prices are told in hundred-millionths of a coin, its own way to trade fractions.
"""

import backtesting
import pandas as pd
from backtesting import Backtest, Strategy
from peer_backtest import fires, main, pandas_ema, protection

UNIT = 1e-8


class Cross(Strategy):
    rule = None
    fires = None

    def init(self):
        self.crossed = self.fires

    def next(self):
        row = len(self.data) - 1
        if not self.crossed[row] or self.position or self.orders:
            return
        close = float(self.data.Close[-1])
        stop, target = protection(close / UNIT, self.rule)
        units = int(self.rule.share * self.equity / close)
        self.buy(size=units, sl=stop * UNIT, tp=target * UNIT)


def frame(bars):
    names = ("Open", "High", "Low", "Close")
    prices = {name: bars[name.lower()] * UNIT for name in names}
    return pd.DataFrame({**prices, "Volume": bars["volume"]}, index=pd.to_datetime(bars["ts"]))


def prepare(bars, rule):
    return frame(bars), bars, rule


def run(prepared):
    data, bars, rule = prepared
    Cross.rule, Cross.fires = rule, fires(bars, rule, pandas_ema)
    test = Backtest(data, Cross, cash=rule.cash, commission=rule.fee, finalize_trades=True)
    return test.run()


def told(result):
    trades = result["_trades"]
    columns = (trades["EntryBar"], trades["ExitBar"], trades["EntryPrice"] / UNIT, trades["ExitPrice"] / UNIT)
    return list(zip(*columns, strict=True)), result["Equity Final [$]"]


if __name__ == "__main__":
    main(backtesting.__version__, prepare, run, told)
