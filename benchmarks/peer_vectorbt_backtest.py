"""The rule by vectorbt: averages by its own indicator, then one call that simulates all bars.

It fills at the close of the deciding bar, and has one order a bar: a cross in the very bar that ends a trade is lost.
"""

import numpy as np
import vectorbt as vbt
from peer_backtest import fires, head, main
from vectorbt.portfolio.enums import SizeType, StopEntryPrice, StopExitPrice


def ema(closes, span):
    """Not a number before `span` bars, so that the first one known is no cross."""
    return vbt.MA.run(closes, span, ewm=True).ma.to_numpy()


def ticks(prices, tick=0.1):
    """Rounded up."""
    return np.ceil(np.round(prices / tick, 6)) / round(1 / tick)


def simulate(bars, rule):
    """A share of the cash is what it spends, the fee included; half of equity is asked for without it. No lots: with a
    granularity it leaves the last one unsold, and enters no more.
    """
    close = bars["close"]
    stop, target = ticks(close * (1 - rule.stop)), ticks(close * (1 + rule.target))
    return vbt.Portfolio.from_signals(
        close, entries=fires(bars, rule, ema), exits=False, direction="longonly",
        open=bars["open"], high=bars["high"], low=bars["low"],
        size=rule.share * (1 + rule.fee), size_type=SizeType.Percent,
        sl_stop=1 - stop / close, tp_stop=target / close - 1, stop_entry_price=StopEntryPrice.Close,
        stop_exit_price=StopExitPrice.StopLimit, fees=rule.fee, slippage=0.0, init_cash=rule.cash, freq="1min",
    )  # fmt: skip


def prepare(bars, rule):
    simulate(head(bars, 5_000), rule).final_value()
    return bars, rule


def run(prepared):
    portfolio = simulate(*prepared)
    return portfolio, portfolio.final_value()


def told(result):
    portfolio, equity = result
    trades = portfolio.trades.closed.records
    entered = (
        trades["entry_idx"].to_numpy() + 1
    )  # at the close before it is what we call the open of the next
    columns = (entered, trades["exit_idx"], trades["entry_price"], trades["exit_price"])
    return list(zip(*(np.asarray(column) for column in columns), strict=True)), equity


if __name__ == "__main__":
    main(vbt.__version__, prepare, run, told)
