"""The result of `gal-friday backtest`: one JSON object, and one table for people."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from gal_friday_core.predictor import Predictor


def document(
    report: dict[str, Any], took_s: float, *, strategy: str, model: "Predictor | None"
) -> dict[str, Any]:
    """The report led by what every backtester is asked for: `bars`, `trades` (those that ended), `final_equity` and
    `bars_per_second`, all plain numbers. What the report says of its trades in detail is under `trade_statistics`.
    """
    bars = report["engine"]["bars"]
    return {
        "bars": bars,
        "trades": report["trades"]["count"],
        "final_equity": float(report["final_equity"]),
        "bars_per_second": round(bars / took_s, 1) if took_s > 0 else None,
        "took_s": round(took_s, 6),
        "strategy": strategy,
        "model_id": None if model is None else model.model_id,
        **{name: value for name, value in report.items() if name not in {"trades", "final_equity"}},
        "trade_statistics": report["trades"],
    }


def table(report: dict[str, Any], told: dict[str, Any]) -> Table:
    """The headline figures, for people."""
    shown = Table("", "", title=report["title"], show_header=False)
    sharpe, trades, speed = report["sharpe"], report["trades"], told["bars_per_second"]
    rows = {
        "time": f"{report['start'][:16]} to {report['end'][:16]}",
        "strategy": told["strategy"],
        "return": f"{report['total_return']:+.2%} ({report['net_profit']})",
        "final equity": report["final_equity"],
        "Sharpe": _interval(sharpe),
        "max drawdown": f"{report['max_drawdown']['depth']:.2%}",
        "exposure": f"{report['exposure_time']:.1%} of the time",
        "turnover": f"{report['turnover']:.1f} times equity",
        "fees": report["fees"],
        "trades": f"{trades['count']}, hit rate {_percent(trades['hit_rate'])}",
        "halted": "; ".join(report["engine"]["halt_reasons"]) or "no",
        "speed": f"{told['bars']:,} bars" + (f", {speed:,.0f} a second" if speed else ""),
    }
    for name, value in rows.items():
        shown.add_row(name, str(value))
    return shown


def pairs_table(report: dict[str, Any]) -> Table:
    """What each pair of a portfolio earned."""
    shown = Table("pair", "trades", "hit rate", "mean return", "net", "fees", title="By pair")
    for part in report["parts"]:
        if part["by"] == "pair":
            mean = part["mean_net_return"]
            shown.add_row(
                part["name"], f"{part['trades']:,}", _percent(part["hit_rate"]),
                "n/a" if mean is None else f"{mean:+.3%}", part["net"], part["fees"],
            )  # fmt: skip
    return shown


def _interval(sharpe: dict[str, Any]) -> str:
    if sharpe["value"] is None:
        return "not defined"
    if sharpe["low"] is None:
        return f"{sharpe['value']:.2f}"
    return f"{sharpe['value']:.2f} ({sharpe['confidence']:.0%}: {sharpe['low']:.2f} to {sharpe['high']:.2f})"


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1%}"
