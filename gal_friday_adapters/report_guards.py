"""What the lookahead guards found, as a section of a backtest's page."""

from collections.abc import Mapping
from typing import Any

from gal_friday_adapters.report_parts import Marked, note, plain, signed_percent, soft, table
from gal_friday_core.lookahead import SHUFFLED


def guards(report: Mapping[str, Any]) -> str:
    """Nothing where they were not asked for."""
    found = report.get("guards")
    if found is None:
        return ""
    return f"<h2>Lookahead guards</h2>{_verdict(found)}{_checks(found)}{_delays(found)}"


def _verdict(found: Mapping[str, Any]) -> str:
    failed = {check["name"] for check in found["checks"] if not check["passed"]}
    if not failed:
        return note("No decision knew what came after it.", "gain")
    if SHUFFLED in failed:
        return note("This run saw its future: nothing on this page can be believed.", "lost")
    return note(
        "Decisions hang on more than the bars before them, or on where the run began: the figures on this page hold for "
        "nobody who starts today.",
        "lost",
    )


def _checks(found: Mapping[str, Any]) -> str:
    rows = [
        (
            check["name"],
            Marked("passed", "gain") if check["passed"] else Marked("failed", "lost"),
            f"{check['checked']:,}",
            f"{check['differing']:,}",
            check["about"] + (f"; differing: {', '.join(check['columns'])}" if check["columns"] else ""),
        )
        for check in found["checks"]
    ]
    names = ("Check", "Verdict", "Bars asked again", "Differing", "What was changed")
    return table("", names, rows, wide=True)


def _delays(found: Mapping[str, Any]) -> str:
    if not found["delays"]:
        return ""
    rows = [
        (
            "as it was" if not run["bars"] else f"{run['bars']} bar{'s' if run['bars'] > 1 else ''} late",
            f"{run['trades']:,}",
            f"{float(run['net_profit']):+,.2f}".replace("-", "−"),
            signed_percent(run["total_return"]),
            plain(run["sharpe"]),
        )
        for run in found["delays"]
    ]
    names = ("Decisions", "Trades", "Net profit", "Return", "Sharpe")
    return (
        "<h3>Delayed data</h3>"
        + table("", names, rows)
        + soft("An edge that is gone one bar later is hardly one that can be traded.")
    )
