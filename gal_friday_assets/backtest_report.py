"""A backtest's report as a page for people and as numbers that Dagster plots."""

from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from gal_friday_adapters.report_page import render
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.pages import link


def write_report(page: Path, report: dict[str, Any]) -> Path:
    """Write the page, and the same report as JSON beside it; the page's path."""
    page.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    page.write_text(render(report), encoding="utf-8")
    return page


def backtest_metadata(report: dict[str, Any], page: Path) -> Metadata:
    """The report's headline figures; the rest is on the page."""
    trades = {f"trade_{name}": value for name, value in report["trades"].items()}
    money = {name: float(report[name]) for name in ("net_profit", "fees", "final_equity")}
    engine = report["engine"]
    return {
        **numbers({name: value for name, value in report.items() if name != "days"}),
        **numbers(trades),
        **money,
        **{name: engine[name] for name in ("predictions", "orders", "fills")},
        "max_drawdown": report["max_drawdown"]["depth"],
        **numbers({"sharpe": report["sharpe"]["value"]}),
        **_judged(report),
        "model_id": report["model_id"],
        "under_override": report["under_override"],
        "page": link(page),
        "backtest_page": dg.MetadataValue.path(page),
    }


def _judged(report: dict[str, Any]) -> Metadata:
    """How sure it is, what the trials take off it, and how it compares."""
    deflated, costs = report["deflated"], report["costs"]
    low = next(
        one["estimate"]["low"] for one in report["intervals"]["figures"] if one["name"] == "total_return"
    )
    ahead = {f"ahead_of_{one['other']}": one["ahead"] for one in report["comparisons"]}
    return {
        "trials": deflated["trials"],
        **numbers(
            {"deflated_sharpe": deflated["dsr"], "total_return_low": low, "bears_costs": costs["bearable"]}
        ),
        **numbers({_named(name): share for name, share in ahead.items()}),
        "ambiguous_stops": report["ambiguity"]["trades"],
    }


def _named(text: str) -> str:
    """One name a kind of rival, so that Dagster draws one line of it over all versions."""
    return "ahead_of_production" if "@v" in text else text.replace(" ", "_")
