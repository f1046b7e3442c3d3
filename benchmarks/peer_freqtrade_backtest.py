"""The rule by freqtrade: its own backtest over a frame, with an exchange that was told its one market and is never asked.

It fills at the open after the deciding bar. Its stop stands by the price paid, its target by the profit after fees: the
ratio is set so that the price of the target is the rule's. One entry a bar: none in the bar in which a trade ends.
"""

import logging
import sys
import tempfile
from pathlib import Path

import freqtrade
import pandas as pd
from freqtrade.enums import CandleType, RunMode
from freqtrade.exchange.binance import Binance
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import StrategyResolver
from freqtrade.strategy import IStrategy
from peer_backtest import fires, main, pandas_ema

# ruff: noqa: ARG002, ARG005, SLF001 - freqtrade calls its hooks with these arguments, and its tests set the same members

PAIR = "BTC/USDT"
MARKET = {
    "id": "BTCUSDT", "symbol": PAIR, "base": "BTC", "quote": "USDT", "active": True, "spot": True, "swap": False,
    "linear": None, "type": "spot", "contractSize": None, "taker": 0.0026, "maker": 0.0026,
    "precision": {"price": 0.1, "amount": 1e-8, "cost": 1e-8, "base": 1e-8, "quote": 1e-8},
    "limits": {name: {"min": None, "max": None} for name in ("amount", "price", "cost", "market", "leverage")},
    "info": {},
}  # fmt: skip


class Cross(IStrategy):
    """Long only; never asked to leave but by stop and target."""

    timeframe = "1m"
    can_short = False
    use_exit_signal = False
    startup_candle_count = 0
    process_only_new_candles = True
    crossed = None
    share = 0.5

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = self.crossed.astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe

    def custom_stake_amount(self, *_, **__):
        return self.wallets.get_total("USDT") * self.share


def configuration(home, rule):
    return {
        "runmode": RunMode.BACKTEST, "timeframe": "1m", "stake_currency": "USDT", "stake_amount": "unlimited",
        "dry_run": True, "dry_run_wallet": rule.cash, "max_open_trades": 1, "candle_type_def": CandleType.SPOT,
        "trading_mode": "spot", "margin_mode": "", "user_data_dir": home, "datadir": home, "fee": rule.fee,
        "tradable_balance_ratio": 1.0, "dataformat_ohlcv": "feather", "strategy": "Cross", "export": "none",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": [], "enable_ws": False},
        "pairlists": [{"method": "StaticPairList"}], "entry_pricing": {"price_side": "other"},
        "exit_pricing": {"price_side": "other"}, "timerange": None, "stoploss": -rule.stop,
        "minimal_roi": {"0": (1 + rule.target) * (1 - rule.fee) / (1 + rule.fee) - 1},
    }  # fmt: skip


def frame(bars):
    date = pd.to_datetime(bars["ts"], utc=True)
    names = ("open", "high", "low", "close", "volume")
    return pd.DataFrame({"date": date, **{name: bars[name] for name in names}})


def prepare(bars, rule):
    logging.disable(logging.CRITICAL)
    config = configuration(Path(tempfile.mkdtemp(prefix="freqtrade-")), rule)
    exchange = Binance(config, validate=False)
    exchange._markets = {PAIR: MARKET}
    Cross.share = rule.share
    StrategyResolver._load_strategy = staticmethod(lambda _name, config, extra_dir=None: Cross(config))
    test = Backtesting(config, exchange)
    tick = pd.Series([0.1], index=pd.to_datetime(bars["ts"][:1], utc=True))
    test.price_pair_prec = {PAIR: tick}
    test.available_pairs = [PAIR]
    return test, frame(bars), bars, rule


def run(prepared):
    test, data, bars, rule = prepared
    Cross.crossed = fires(bars, rule, pandas_ema)
    strategy = test.strategylist[0]
    test._set_strategy(strategy)
    processed = strategy.advise_all_indicators({PAIR: data})
    first, last = data["date"].iloc[0].to_pydatetime(), data["date"].iloc[-1].to_pydatetime()
    return bars, test.backtest(processed, first, last)


def told(result):
    bars, found = result
    trades = found["results"]
    rows = pd.Series(range(len(bars["ts"])), index=pd.to_datetime(bars["ts"], utc=True))
    opened, closed = (rows.reindex(trades[name]).to_numpy() for name in ("open_date", "close_date"))
    listed = zip(opened, closed, trades["open_rate"], trades["close_rate"], strict=True)
    kept = [row for row, reason in zip(listed, trades["exit_reason"], strict=True) if reason != "force_exit"]
    return kept, found["final_balance"]


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(freqtrade.__version__, prepare, run, told)
