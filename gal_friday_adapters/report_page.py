"""A run's report as one HTML page: self-contained, light and dark, every text escaped, no script.

Entry point: `render`. It reads what `gal_friday_core.performance.performance` returns, and of what a
caller may add: `title`, `notes` (sentences shown on top) and `context` (a table of name and value).
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gal_friday_adapters.report_chart import Panel, chart
from gal_friday_core.times import DAY_NS, from_iso, to_iso

MOST_TRADES_SHOWN = 2_000
_TIME_MARKS = 6

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6878; --ground: #ffffff; --card: #f5f7fa;
  --line: #dfe4ea; --equity: #1f6feb; --loss: #c2413a; --gain: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #98a3b3; --ground: #12161c;
  --card: #1b212a; --line: #2c3542; --equity: #6aa8ff; --loss: #ff7b72; --gain: #56d192; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 24px 16px 48px; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 8px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
.note { border-left: 4px solid var(--equity); background: var(--card); padding: 8px 12px; margin: 12px 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 8px;
  margin: 16px 0; }
.figures div { background: var(--card); border-radius: 8px; padding: 10px 12px; }
.figures dt { color: var(--soft); font-size: 13px; } .figures dd { margin: 0; font-size: 19px; }
.figures small { display: block; color: var(--soft); font-size: 12px; }
svg { width: 100%; height: auto; display: block; } .grid { stroke: var(--line); }
.tick { fill: var(--soft); font: 12px system-ui, sans-serif; }
polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .equity { stroke: var(--equity); }
.drawdown { stroke: var(--loss); } .area { stroke: none; fill: var(--loss); opacity: 0.25; }
.scroll { overflow-x: auto; max-height: 560px; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { position: sticky; top: 0; background: var(--ground); color: var(--soft); font-weight: 600; }
td:first-child, th:first-child { text-align: left; } .gain { color: var(--gain); } .lost { color: var(--loss); }
"""


def render(report: Mapping[str, Any]) -> str:
    """The page as text, to be written as UTF-8."""
    title = escape(str(report.get("title", "Backtest")))
    span = f"{_day(report['start'])} to {_day(report['end'])}, {report['days']:,.1f} days"
    notes = "".join(f'<p class="note">{escape(str(note))}</p>' for note in report.get("notes", ()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{title}</h1><p class="soft">{escape(span)}</p>{notes}'
        f"{_figures(report)}{_charts(report['equity_curve'])}{_reasons(report['trades'])}"
        f"{_trades(report['trade_list'])}{_context(report.get('context', {}))}"
        '<p class="soft">A year has 365 days; statistics that the data cannot support are left open. '
        "The Sharpe interval follows Lo (2002) on daily returns.</p></body></html>\n"
    )


def _figures(report: Mapping[str, Any]) -> str:
    sharpe, trades, drawdown = report["sharpe"], report["trades"], report["max_drawdown"]
    interval = (
        f"{sharpe['confidence']:.0%} interval {_plain(sharpe['low'])} to {_plain(sharpe['high'])}"
        if sharpe["low"] is not None
        else f"{sharpe['daily_returns']} daily returns: too few for an interval"
    )
    cells = (
        ("Net profit", _money(report["net_profit"]), f"equity {_money(report['final_equity'])}"),
        ("Total return", _percent(report["total_return"]), f"a year {_percent(report['annualized_return'])}"),
        ("Sharpe ratio", _plain(sharpe["value"]), interval),
        (
            "Sortino ratio",
            _plain(report["sortino"]),
            f"volatility {_percent(report['annualized_volatility'])}",
        ),
        ("Max drawdown", _percent(drawdown["depth"]), f"longest {_duration(drawdown['longest_s'])}"),
        ("Trades", f"{trades['count']:,}", f"{report['fills']:,} fills, {trades['open']} still open"),
        ("Hit rate", _percent(trades["hit_rate"]), f"profit factor {_plain(trades['profit_factor'])}"),
        ("Average win", _plain(trades["average_win"]), f"average loss {_plain(trades['average_loss'])}"),
        ("Fees", _money(report["fees"]), f"turnover {_plain(report['turnover'])} times equity"),
        (
            "In the market",
            _percent(report["exposure_time"]),
            f"a trade {_duration(trades['average_hold_s'])}",
        ),
    )
    return '<dl class="figures">' + "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"
        for name, value, more in cells
    ) + "</dl>"  # fmt: skip


def _charts(curve: Sequence[tuple[str, float]]) -> str:
    times = [from_iso(moment) for moment, _ in curve]
    equity = [value for _, value in curve]
    highest, drawdown = equity[0], []
    for value in equity:
        highest = max(highest, value)
        drawdown.append(value / highest - 1)
    labels = _time_labels(times[0], times[-1])
    above = Panel("Equity over time", times, equity, 320, "equity")
    below = Panel("Drawdown over time", times, drawdown, 160, "drawdown", area=True, percent=True)
    return f"<h2>Equity</h2>{chart(above, labels)}<h2>Drawdown</h2>{chart(below, labels)}"


def _time_labels(first: int, last: int) -> list[tuple[int, str]]:
    step = (last - first) // _TIME_MARKS
    digits = 10 if step >= DAY_NS else 16
    moments = (first + step // 2 + step * index for index in range(_TIME_MARKS))
    return [(moment, to_iso(moment)[:digits].replace("T", " ")) for moment in moments]


def _reasons(trades: Mapping[str, Any]) -> str:
    rows = [
        (reason, f"{these['count']:,}", _signed(these["net"]))
        for reason, these in trades["by_reason"].items()
    ]
    return _table("How trades ended", ("Ended by", "Trades", "Net profit"), rows) if rows else ""


def _trades(trades: Sequence[Mapping[str, Any]]) -> str:
    if not trades:
        return "<h2>Trades</h2><p>No trade was closed.</p>"
    shown = trades[-MOST_TRADES_SHOWN:]
    heading = "Trades" if len(shown) == len(trades) else f"The last {len(shown):,} of {len(trades):,} trades"
    rows = (
        (
            _minute(trade["entry_time"]), _minute(trade["exit_time"]), trade["trading_pair"],
            trade["quantity"], _price(trade["entry_price"]), _price(trade["exit_price"]),
            _money(trade["fees"]), _signed(trade["net"]), _percent(trade["net_return"]), trade["reason"],
        )
        for trade in shown
    )  # fmt: skip
    names = ("Entry", "Exit", "Pair", "Quantity", "Bought at", "Sold at", "Fees", "Net", "Return", "Ended by")
    return _table(heading, names, rows)


def _context(context: Mapping[str, Any]) -> str:
    rows = [(name, value) for name, value in context.items()]
    return _table("What ran", ("Name", "Value"), rows) if rows else ""


def _table(heading: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return (
        f'<h2>{escape(heading)}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    text = str(value)
    kind = {"+": ' class="gain"', "−": ' class="lost"'}.get(text[:1], "")
    return f"<td{kind}>{escape(text)}</td>"


def _money(amount: str) -> str:
    return f"{float(amount):,.2f}".replace("-", "−")


def _signed(amount: str) -> str:
    return f"{float(amount):+,.2f}".replace("-", "−")


def _price(price: str) -> str:
    return f"{float(price):,.8g}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}".replace("-", "−")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}".replace("-", "−")


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
