"""A run's report as one HTML page: self-contained, light and dark, every text escaped, no script.

Entry point: `render`. It reads what `gal_friday_core.performance.performance` or, with more sections,
`gal_friday_core.tearsheet.sheet.tearsheet` returns, and of what a caller may add: `title`, `notes` (sentences shown on
top), `guards` (see `gal_friday_core.lookahead`), `beside` (`name` and `equity_curve` of what traded the same bars) and `context` (a table of name and value).
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gal_friday_adapters import report_sections as sections
from gal_friday_adapters.report_chart import Line, Panel, chart
from gal_friday_adapters.report_guards import guards
from gal_friday_adapters.report_parts import (
    document,
    figures,
    note,
    percent,
    plain,
    signed_percent,
    soft,
    table,
    time_labels,
)
from gal_friday_core.tearsheet.comparison import BUY_AND_HOLD
from gal_friday_core.times import from_iso

MOST_TRADES_SHOWN = 2_000


def render(report: Mapping[str, Any]) -> str:
    """The page as text, to be written as UTF-8."""
    span = f"{_day(report['start'])} to {_day(report['end'])}, {report['days']:,.1f} days"
    notes = "".join(note(str(text)) for text in report.get("notes", ()))
    explained = soft(
        "A year has 365 days; statistics that the data cannot support are left open. "
        "The Sharpe interval above follows Lo (2002) on daily returns."
    )
    body = (
        f"{soft(span)}{notes}{_figures(report)}{_charts(report)}{sections.months(report)}{sections.confidence(report)}"
        f"{sections.chosen(report)}{sections.compared(report)}{sections.costs(report)}{sections.spread(report)}"
        f"{sections.places(report)}{_reasons(report['trades'])}{sections.doubts(report)}{guards(report)}"
        f"{_trades(report['trade_list'])}{_context(report.get('context', {}))}{explained}"
    )
    return document(str(report.get("title", "Backtest")), body)


def _figures(report: Mapping[str, Any]) -> str:
    sharpe, trades, drawdown = report["sharpe"], report["trades"], report["max_drawdown"]
    interval = (
        f"{sharpe['confidence']:.0%} interval {plain(sharpe['low'])} to {plain(sharpe['high'])}"
        if sharpe["low"] is not None
        else f"{sharpe['daily_returns']} daily returns: too few for an interval"
    )
    cells = (
        ("Net profit", _money(report["net_profit"]), f"equity {_money(report['final_equity'])}"),
        ("Total return", percent(report["total_return"]), f"a year {percent(report['annualized_return'])}"),
        ("Sharpe ratio", plain(sharpe["value"]), interval),
        (
            "Sortino ratio",
            plain(report["sortino"]),
            f"volatility {percent(report['annualized_volatility'])}",
        ),
        ("Max drawdown", percent(drawdown["depth"]), f"longest {_duration(drawdown['longest_s'])}"),
        ("Trades", f"{trades['count']:,}", f"{report['fills']:,} fills, {trades['open']} still open"),
        ("Hit rate", percent(trades["hit_rate"]), f"profit factor {plain(trades['profit_factor'])}"),
        ("Average win", plain(trades["average_win"]), f"average loss {plain(trades['average_loss'])}"),
        ("Fees", _money(report["fees"]), f"turnover {plain(report['turnover'])} times equity"),
        (
            "In the market",
            percent(report["exposure_time"]),
            f"a trade {_duration(trades['average_hold_s'])}",
        ),
    )
    return figures(cells)


def _charts(report: Mapping[str, Any]) -> str:
    times = [from_iso(moment) for moment, _ in report["equity_curve"]]
    equity = [value for _, value in report["equity_curve"]]
    highest, drawdown = equity[0], []
    for value in equity:
        highest = max(highest, value)
        drawdown.append(value / highest - 1)
    labels = time_labels(times[0], times[-1])
    curves = report.get("curves")
    others, legend, invested = _more(report, labels) if curves is not None else ((), "", "")
    above = Panel("Equity over time", times, equity, 320, "equity", others=others)
    below = Panel("Drawdown over time", times, drawdown, 160, "drawdown", area=True, percent=True)
    return f"<h2>Equity</h2>{legend}{chart(above, labels)}<h2>Drawdown</h2>{chart(below, labels)}{invested}"


def _more(report: Mapping[str, Any], labels: Sequence[tuple[int, str]]) -> tuple[tuple[Line, ...], str, str]:
    """The lines of holding the market and of what traded beside, what lines are called, and how much was invested."""
    curves, beside = report["curves"], report.get("beside")
    times = [from_iso(moment) for moment in curves["times"]]
    lines = {BUY_AND_HOLD: Line(times, curves[BUY_AND_HOLD], "second")}
    if beside is not None:
        moments, equity = zip(*beside["equity_curve"], strict=True)
        lines[beside["name"]] = Line([from_iso(moment) for moment in moments], equity, "third")
    legend = '<p class="soft"><span class="key equity"></span>this run' + "".join(
        f'<span class="key {line.kind}"></span>{escape(name)}' for name, line in lines.items()
    )
    panel = Panel("Exposure over time", times, curves["exposure"], 130, "exposure", area=True, percent=True)
    return tuple(lines.values()), f"{legend}</p>", f"<h2>Exposure</h2>{chart(panel, labels)}"


def _reasons(trades: Mapping[str, Any]) -> str:
    rows = [
        (reason, f"{these['count']:,}", _signed(these["net"]))
        for reason, these in trades["by_reason"].items()
    ]
    return table("How trades ended", ("Ended by", "Trades", "Net profit"), rows) if rows else ""


def _trades(trades: Sequence[Mapping[str, Any]]) -> str:
    if not trades:
        return "<h2>Trades</h2><p>No trade was closed.</p>"
    shown = trades[-MOST_TRADES_SHOWN:]
    heading = "Trades" if len(shown) == len(trades) else f"The last {len(shown):,} of {len(trades):,} trades"
    rows = (
        (
            number, _minute(trade["entry_time"]), _minute(trade["exit_time"]), trade["trading_pair"],
            trade["quantity"], _price(trade["entry_price"]), _price(trade["exit_price"]),
            _money(trade["fees"]), _signed(trade["net"]), signed_percent(trade["net_return"]), trade["reason"],
        )
        for number, trade in enumerate(shown, start=len(trades) - len(shown) + 1)
    )  # fmt: skip
    names = ("Number", "Entry", "Exit", "Pair", "Quantity", "Bought at", "Sold at", "Fees", "Net", "Return",
             "Ended by")  # fmt: skip
    return table(heading, names, rows) + soft(
        "Why one of them happened: gal-friday backtest --explain NUMBER."
    )


def _context(context: Mapping[str, Any]) -> str:
    rows = [(name, value) for name, value in context.items()]
    return table("What ran", ("Name", "Value"), rows) if rows else ""


def _money(amount: str) -> str:
    return f"{float(amount):,.2f}".replace("-", "−")


def _signed(amount: str) -> str:
    return f"{float(amount):+,.2f}".replace("-", "−")


def _price(price: str) -> str:
    return f"{float(price):,.8g}"


def _duration(seconds: float | None) -> str:
    """Two units at most: '3 d 4 h', '12 min'."""
    if seconds is None:
        return "–"
    minutes = round(seconds / 60)
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days:,} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _day(moment: str) -> str:
    return moment[:10]


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
