"""What `gal-friday backtest` tells beyond the result: one trade explained, and what the lookahead guards found."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.table import Table

FEATURES_SHOWN = 12


def explanation_table(found: Mapping[str, Any]) -> Table:
    """One trade, from the bar that decided it to the money; all features are in the JSON."""
    trade, decided, ended = found["trade"], found["decided"], found["ended"]
    rows = {
        "decided at": f"{decided['at'][:16]}, close {decided['reference_price']}, by {decided['strategy']}",
        "because": _because(decided),
        "stop, target": f"{decided['stop'] or 'none'}, {decided['target'] or 'none'}",
        **{f"risk: {name.replace('_', ' ')}": value for name, value in found["risk"].items()},
        **{
            f"{fill['side'].lower()} {fill['type'].replace('_', ' ').lower()}": f"{fill['quantity']} at {fill['price']}, "
            f"{fill['at'][:16]}, fee {fill['fee']}, slippage {Decimal(fill['slippage']):f}"
            for fill in found["fills"]
        },
        "ended": ended["why"] + (", in a bar that reached the target too" if ended["both_reached"] else ""),
        "net": f"{trade['net']} ({trade['net_return']:+.3%}) after {trade['fees']} of fees",
        "equity": f"{found['equity']['before']} before, {found['equity']['after']} after",
        "features": ", ".join(
            f"{name} {value:.4g}"
            for name, value in list(found["features"].items())[:FEATURES_SHOWN]
            if value is not None
        )
        + ", … (all with --json)",
    }
    shown = Table("", "", title=f"Trade {found['number']}: {trade['trading_pair']}", show_header=False)
    for name, value in rows.items():
        shown.add_row(name, str(value))
    return shown


def _because(decided: Mapping[str, Any]) -> str:
    if decided["by"] == "model":
        return (
            f"{decided['model_id']} said {decided['probability']:.4f}, entries are made from "
            f"{decided['entry_threshold']:.4f} on; volatility {decided['volatility']:.6f}"
        )
    rule = decided.get("rule", {})
    if "averages" in rule:
        before, now = rule["averages_before"], rule["averages"]
        return (
            f"the fast average crossed above the slow one: {before['fast']:.6g} and {before['slow']:.6g} a bar before, "
            f"{now['fast']:.6g} and {now['slow']:.6g} now"
        )
    return "its rule fired" if rule.get("fires") else "the strategy asked for it"


def guards_table(found: Mapping[str, Any]) -> Table:
    """Verdicts, then what delays cost."""
    shown = Table("guard", "verdict", "what was asked", title="Lookahead guards")
    for check in found["checks"]:
        verdict = "[green]passed[/]" if check["passed"] else "[red]failed[/]"
        differing = f"; differing: {', '.join(check['columns'])}" if check["columns"] else ""
        shown.add_row(
            check["name"],
            verdict,
            f"{check['about']}: {check['differing']:,} of {check['checked']:,} bars{differing}",
        )
    for run in found["delays"]:
        late = "as it was" if not run["bars"] else f"{run['bars']} late"
        shown.add_row(
            "delayed data",
            late,
            f"{run['trades']:,} trades, {run['total_return']:+.2%} ({run['net_profit']})",
        )
    return shown
