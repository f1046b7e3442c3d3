"""FreqAI's own walk-forward over candles, features and labels from a file: `peer_freqai.py TASK.json`.

Run by bench_training.py in FreqAI's environment. FreqAI is driven where its strategy hook drives it
(`IFreqaiModel.start`): no exchange, no orders, and features that are computed already, which is in its favour.
Prints one JSON object: seconds of wall and CPU of `start`, and where the predictions are.
"""
# ruff: noqa: ARG002 - FreqAI calls its hooks with these arguments

import json
import logging
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from freqtrade.enums import RunMode
from freqtrade.freqai.prediction_models.XGBoostClassifier import XGBoostClassifier
from freqtrade.strategy import IStrategy

TARGET = "&-outcome"
PAIR = "BTC/USDT"


class Given(IStrategy):
    """Features and outcomes from the file, joined by time."""

    timeframe = "5m"
    stoploss = -1.0
    minimal_roi = {}  # noqa: RUF012 - as freqtrade's own strategies have it

    def feature_engineering_expand_all(self, dataframe, period, metadata, **kwargs):
        return dataframe

    def feature_engineering_expand_basic(self, dataframe, metadata, **kwargs):
        return dataframe

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        return dataframe.merge(self.features, on="date", how="left")

    def set_freqai_targets(self, dataframe, metadata, **kwargs):
        self.freqai.class_names = ["lost", "won"]
        found = dataframe.copy()
        found[TARGET] = found["date"].map(self.outcomes)
        return found

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe


def configuration(task, home):
    """As a user would write it; nothing is switched on that FreqAI leaves off."""
    first, last = (datetime.fromtimestamp(stamp / 1e9, tz=UTC) for stamp in task["tested"])
    return {
        "runmode": RunMode.BACKTEST, "timeframe": "5m", "stake_currency": "USDT", "stake_amount": 10,
        "dry_run": True, "max_open_trades": 1, "candle_type_def": "spot", "trading_mode": "spot",
        "user_data_dir": home, "datadir": home, "config_files": [str(home / "config.json")],
        "timerange": f"{first:%Y%m%d}-{last:%Y%m%d}", "exchange": {"name": "binance", "pair_whitelist": [PAIR]},
        "freqai": {
            "enabled": True, "identifier": "bench", "train_period_days": task["train_days"],
            "backtest_period_days": task["test_days"], "purge_old_models": 2, "save_backtest_models": False,
            "activate_tensorboard": False, "write_metrics_to_disk": False,
            "feature_parameters": {
                "include_timeframes": ["5m"], "include_corr_pairlist": [], "label_period_candles": 1,
                "include_shifted_candles": 0, "indicator_periods_candles": [10],
                "plot_feature_importances": 0, "weight_factor": 0, "buffer_train_data_candles": 0, "shuffle_after_split": False,
            },
            "data_split_parameters": {"test_size": task["test_size"], "shuffle": False},
            "model_training_parameters": task["parameters"],
        },
    }  # fmt: skip


def main(path):
    logging.disable(logging.CRITICAL)
    task = json.loads(Path(path).read_text())
    given = np.load(task["data"])
    date = pd.to_datetime(given["ts"], utc=True)
    candles = pd.DataFrame(
        {"date": date, **{name: given[name] for name in ("open", "high", "low", "close", "volume")}}
    )
    columns = {f"%-{name}": given["features"][:, at] for at, name in enumerate(task["names"])}
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(task, Path(folder))
        Path(config["config_files"][0]).write_text("{}")  # FreqAI copies it beside its models
        strategy = Given(config)
        strategy.features = pd.DataFrame({"date": date, **columns})
        outcome = np.where(given["label"] == 1, "won", "lost")
        strategy.outcomes = pd.Series(outcome, index=date).where(pd.Series(given["label"] >= 0, index=date))
        strategy.dp = SimpleNamespace(runmode=RunMode.BACKTEST, get_pair_dataframe=lambda **_: candles)
        model = XGBoostClassifier(config=config)
        strategy.freqai = model
        wall, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        found = model.start(candles, {"pair": PAIR}, strategy)
        wall = time.perf_counter() - wall
        now = resource.getrusage(resource.RUSAGE_SELF)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        probability = found["won"].to_numpy(float)
        np.save(task["predictions"], np.where(found["do_predict"] == 1, probability, np.nan))
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "rows": len(found)}))


if __name__ == "__main__":
    main(sys.argv[1])
