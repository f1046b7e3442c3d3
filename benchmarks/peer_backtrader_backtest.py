"""The rule by backtrader: its own averages, `next` bar by bar, a bracket of market order, stop and limit.

The two children of a bracket wait for the fill, so neither can end a trade in the bar in which it began. Its averages
begin with a mean of the first bars, which is forgotten before long.
"""

import backtrader as bt
from peer_backtest import lots, main, protection


class Bars(bt.feed.DataBase):
    """Columns that are at hand, row by row, as its own feed of pandas does it."""

    def __init__(self, bars):
        super().__init__()
        self.bars = [bars[name].tolist() for name in ("open", "high", "low", "close", "volume")]
        self.days = (
            bars["ts"] / 86_400e9 + 719_163.0
        ).tolist()  # days since the year one, as matplotlib counted
        self.row = -1

    def start(self):
        super().start()
        self.row = -1

    def _load(self):
        self.row += 1
        if self.row >= len(self.days):
            return False
        row, lines = self.row, self.lines
        for line, column in zip(
            (lines.open, lines.high, lines.low, lines.close, lines.volume), self.bars, strict=True
        ):
            line[0] = column[row]
        lines.openinterest[0] = 0.0
        lines.datetime[0] = self.days[row]
        return True


class Cross(bt.Strategy):
    params = (("rule", None),)

    def __init__(self):
        fast, slow = (
            bt.ind.EMA(self.data.close, period=span) for span in (self.p.rule.fast, self.p.rule.slow)
        )
        self.fast, self.slow = fast, slow
        self.was_above = True
        self.filled = []
        self.busy = False

    def next(self):
        above = self.fast[0] > self.slow[0]
        crossed = above and not self.was_above
        self.was_above = above
        if not crossed or self.busy:
            return
        rule, close = self.p.rule, self.data.close[0]
        stop, target = protection(close, rule)
        size = lots(rule.share * self.broker.getvalue() / close)
        self.busy = True
        self.buy_bracket(
            size=size, exectype=bt.Order.Market, stopprice=stop, limitprice=target, limitexec=bt.Order.Limit
        )

    def notify_order(self, order):
        if order.status == order.Completed:
            self.filled.append((len(self.data) - 1, order.isbuy(), order.executed.price))
            self.busy = order.isbuy()


def prepare(bars, rule):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Bars(bars))
    cerebro.addstrategy(Cross, rule=rule)
    cerebro.broker.setcash(rule.cash)
    cerebro.broker.setcommission(commission=rule.fee)
    return cerebro


def run(prepared):
    return prepared, prepared.run()[0]


def told(result):
    cerebro, strategy = result
    trades, entry = [], None
    for row, bought, price in strategy.filled:
        if bought:
            entry = (row, price)
        else:
            trades.append((entry[0], row, entry[1], price))
    return trades, cerebro.broker.getvalue()


if __name__ == "__main__":
    main(bt.__version__, prepare, run, told)
