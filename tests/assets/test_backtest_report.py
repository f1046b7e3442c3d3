"""What a backtest says to Dagster."""

from pathlib import Path

from gal_friday_assets.backtest_report import backtest_metadata
from tests.adapters.test_report_page import whole


def test_dagster_plots_one_line_for_production_whatever_its_version():
    report = whole()
    report["comparisons"].append({**report["comparisons"][0], "other": "kraken:BTC-USD:1m@v7", "ahead": 0.25})
    report |= {
        "model_id": "m@v8",
        "under_override": False,
        "engine": {"predictions": 1, "orders": 2, "fills": 2},
    }
    shown = backtest_metadata(report, Path("/reports/series/artifact/backtest.html"))
    assert shown["ahead_of_production"] == 0.25
    assert {"ahead_of_buy_and_hold", "deflated_sharpe", "total_return_low", "trials"} <= set(shown)
