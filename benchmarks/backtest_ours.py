"""The rule by Gal-Friday itself, as its peers run it: `backtest_ours.py TASK.json`, each bar the engine's own modules."""

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peer_backtest import head, main
from gal_friday_core import __version__
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.instruments import Instrument
from gal_friday_core.strategies.presets import with_preset
from gal_friday_live.fast_backtest import Trading, trade, why_not
from gal_friday_live.replay_data import Stretch

SERIES = Series("synthetic", "BTC/USDT", "1m")
INSTRUMENT = Instrument(SERIES.pair, price_tick=Decimal("0.1"))


def configured(rule):
    """The preset of the strategy, and the parameters of this task."""
    own = {name: str(getattr(rule, name)) for name in ("stop", "target")}
    said = Config.model_validate(
        {
            "strategy": {"id": "ema_cross"},
            "ema_cross": {"fast": rule.fast, "slow": rule.slow, **own},
            "costs": {"taker_fee": str(rule.fee), "maker_fee": str(rule.fee), "slippage": 0},
            "risk": {"max_pair_exposure": str(rule.share)},
        }
    )
    return with_preset(said)[0]


def money(amount):
    return Decimal(str(amount))


def candles(bars):
    columns = (bars[name] for name in ("ts", "open", "high", "low", "close", "volume"))
    return Candles(SERIES, *columns, np.full(len(bars["ts"]), -1, np.int64))


def prepare(bars, rule):
    config, whole = configured(rule), candles(bars)
    trading = Trading(Stretch(SERIES, whole, whole[:0], INSTRUMENT))
    reason = why_not(config, (trading,))
    if reason:
        raise SystemExit(reason)
    few = candles(head(bars, 5_000))
    trade(config, (Trading(Stretch(SERIES, few, few[:0], INSTRUMENT)),), Decimal(10_000))
    return config, trading, money(rule.cash)


def run(prepared):
    config, trading, cash = prepared
    return trading, trade(config, (trading,), cash)


def told(result):
    trading, ran = result
    return trades_of(trading.played.bars.ts, ran.account.reports), ran.account.portfolio.equity


def trades_of(ts, reports):
    """Each buy with the sale that ended it; of one that did not end, nothing."""
    trades, entry = [], None
    for report in reports:
        if report.execution_id is None:
            continue
        at = int(np.searchsorted(ts, report.timestamp_exchange, "left"))
        price = float(report.average_fill_price)
        if report.side == "BUY":
            entry = (at, price)  # at the open of its bar
        elif entry is not None:
            last = at - 1 if report.order_type != "MARKET" else at  # protection is told at its bar's close
            trades.append((entry[0], last, entry[1], price))
            entry = None
    return trades


if __name__ == "__main__":
    main(__version__, prepare, run, told)
