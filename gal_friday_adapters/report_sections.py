"""The sections of a backtest's page that tell how sure, against what, when and at what cost; "" where a report has none.

Each takes the report as `gal_friday_core.tearsheet.sheet.tearsheet` makes it.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from gal_friday_adapters.report_chart import WIDTH
from gal_friday_adapters.report_figures import columns
from gal_friday_adapters.report_parts import (
    Marked,
    figures,
    percent,
    plain,
    signed_percent,
    soft,
    table,
)

Report = Mapping[str, Any]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOTTEST = 60
"""Percent of colour in the cell of the best or worst month; more would drown its number."""

_FIGURES: Mapping[str, tuple[str, Callable[[float | None], str]]] = {
    "total_return": ("Total return", signed_percent),
    "annualized_return": ("Return a year", signed_percent),
    "annualized_volatility": ("Volatility a year", percent),
    "sharpe": ("Sharpe ratio", plain),
    "sortino": ("Sortino ratio", plain),
    "max_drawdown": ("Deepest drawdown between days", percent),
    "calmar": ("Return a year over drawdown", plain),
    "expected_shortfall": ("Mean of the worst twentieth of days", signed_percent),
}
_PARTS = {"volatility": "Volatility", "trend": "Trend", "pair": "Pair", "hour": "Hour of the entry"}


def confidence(report: Report) -> str:
    """Every standard figure with its resampled interval."""
    found = report.get("intervals")
    if found is None:
        return ""
    rows = [
        (title, shown(one["estimate"]["value"]), *_bounds(one["estimate"], shown))
        for one in found["figures"]
        for title, shown in [_FIGURES[one["name"]]]
    ]
    names = ("Figure", "Value", f"{found['confidence']:.0%} from", "to")
    about = (
        f"Stationary bootstrap of {found['days']:,} daily returns: {found['draws']:,} resamples in blocks of "
        f"{found['block_days']:.1f} days on average, a length that the returns themselves ask for."
        if found["block_days"] is not None
        else f"{found['days']} daily returns are too few for an interval."
    )
    return table("How sure the figures are", names, rows) + soft(about)


def chosen(report: Report) -> str:
    """What the number of runs that were made takes off the Sharpe ratio."""
    found = report.get("deflated")
    if found is None:
        return ""
    cells = (
        ("Deflated Sharpe ratio", percent(found["dsr"]), "probability that it is more than luck"),
        ("Runs it was chosen from", f"{found['trials']:,}", found["trials_from"]),
        (
            "Luck alone would show",
            plain(found["annual_luck"]),
            f"a year; this run {plain(found['annual_ratio'])}",
        ),
        ("Probability above zero", percent(found["psr"]), f"{percent(found['psr_2026'])} with memory"),
        ("Days needed", plain(found["minimum_record_days"], 0), f"{found['days']:,} were run"),
    )
    return "<h2>One of how many</h2>" + figures(cells)


def compared(report: Report) -> str:
    """The same bars held, or traded by another model."""
    found = report.get("comparisons", ())
    if not found:
        return ""
    rows: list[tuple[Any, ...]] = [("this run", percent(report["total_return"]), plain(report["sharpe"]["value"]),
             percent(report["max_drawdown"]["depth"]), "–", "–", "–", "–", "–")]  # fmt: skip
    rows += [
        (
            one["other"], percent(one["total_return"]), plain(one["sharpe"]), percent(one["max_drawdown"]),
            _short(one["mean_difference"]["value"]), _range(one["mean_difference"], _short),
            percent(one["ahead"], 0), plain(one["beta"]), _short(one["alpha"]),
        )
        for one in found
    ]  # fmt: skip
    names = ("On the same bars", "Return", "Sharpe", "Drawdown", "Difference a year", "Interval",
             "Ahead in", "Beta", "Alpha a year")  # fmt: skip
    return table("Compared", names, rows) + soft(
        "The difference is this run less the other; means a year are added up, not compounded. Ahead in: the share of "
        "resampled histories, the same days for both, in which this run returned more. "
        "Drawdowns of others are between days."
    )


def months(report: Report) -> str:
    """Years down, months across, the deeper the colour the larger the gain or loss."""
    found = report.get("calendar")
    if found is None:
        return ""
    most = max((abs(month["net_return"]) for month in found["months"]), default=0.0) or 1.0
    years = {year["year"]: year["net_return"] for year in found["years"]}
    body = "".join(
        f"<tr><td>{year}</td>{_months_of(list(these), most)}{_heat(years[year], None)}</tr>"
        for year, these in groupby(found["months"], key=lambda month: month["year"])
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in ("Year", *_MONTHS, "Year's return"))
    (best, gain), (worst, loss) = found["best_day"], found["worst_day"]
    return (
        f'<h2>Months</h2><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        + soft(
            f"Best day {best}: {signed_percent(gain)}; worst day {worst}: {signed_percent(loss)}. "
            f"Of months that moved, {percent(found['winning_months'], 0)} won."
        )
    )


def _months_of(months_: Sequence[Report], most: float) -> str:
    known = {month["month"]: month["net_return"] for month in months_}
    return "".join(_heat(known.get(number), most) for number in range(1, 13))


def _heat(value: float | None, most: float | None) -> str:
    """A cell: coloured by its share of the largest month, or by its sign alone."""
    if value is None:
        return "<td></td>"
    kind = "gain" if value > 0 else "lost" if value < 0 else ""
    text = escape(signed_percent(value))
    if most is None:
        return f'<td class="{kind}">{text}</td>'
    return f'<td class="heat {kind}" style="--heat: {abs(value) / most * _HOTTEST:.0f}%">{text}</td>'


def spread(report: Report) -> str:
    """Returns of trades as bars, and what is said of them in numbers."""
    found = report.get("distribution")
    if found is None:
        return ""
    bars = [(percent(one["low"], 1), one["trades"] / found["trades"]) for one in found["bins"]]
    hours = [value / 3600 for value in found["hold_quantiles_s"]]
    rows = [
        ("Mean net return", signed_percent(found["mean"]["value"], 3), _range(found["mean"], _fine)),
        ("Hit rate", percent(found["hit_rate"]["value"], 1), _range(found["hit_rate"], _coarse)),
        ("Worst, median, best", _three(found["return_quantiles"], signed_percent), ""),
        ("Held, median (5 % to 95 %)", f"{hours[3]:,.1f} h", f"{hours[1]:,.1f} to {hours[5]:,.1f} h"),
        ("Longest run of gains", f"{found['longest_winning_run']:,}", ""),
        ("Longest run of losses", f"{found['longest_losing_run']:,}", ""),
        ("Net profit without the best five", _money(found["without_best"]), ""),
    ]
    drawn = columns(
        "Share of trades by net return", bars, width=WIDTH, signs=[one["low"] >= 0 for one in found["bins"]]
    )
    return (
        "<h2>Spread of trades</h2>"
        + soft("Share of closed trades by net return; a bar is named by its lower end.")
        + drawn
        + table("", ("Closed trades", "Value", f"Interval, {report['sharpe']['confidence']:.0%}"), rows)
    )


def costs(report: Report) -> str:
    """From gross to net."""
    found = report.get("costs")
    if found is None:
        return ""
    cells = (
        ("Gross profit", _money(found["gross_profit"]), "as if trading were free"),
        ("Fees", _money(found["fees"]), f"{plain(found['fees_bp'], 1)} bp of the value traded"),
        ("Slippage", _money(found["slippage"]), f"{plain(found['slippage_bp'], 1)} bp of the value traded"),
        ("Net profit", _money(found["net_profit"]), f"a round trip costs {plain(found['per_trade_bp'], 1)} bp"),
        ("Bears costs", _times(found["bearable"]), "until nothing is left"),
    )  # fmt: skip
    return "<h2>Costs</h2>" + figures(cells) + _fees(found) + _borne(found) + _recorded(found, report)


def _fees(found: Mapping[str, Any]) -> str:
    """By maker and taker and tier, where there is more than one of them."""
    parts = found.get("fee_parts", ())
    if len(parts) < 2:
        return ""
    rows = [
        (
            f"{'maker' if part['maker'] else 'taker'}, from {float(part['from_volume']):,.0f} in 30 days",
            percent(float(part["rate"]), 2), f"{part['fills']:,}", _money(part["traded_value"]), _money(part["fees"]),
        )
        for part in parts
    ]  # fmt: skip
    about = f"{percent(found['maker_share'], 1)} of the value traded paid the maker's fee."
    return table("", ("Paid as", "Fee", "Fills", "Traded", "Fees"), rows) + soft(about)


def _borne(found: Mapping[str, Any]) -> str:
    """What bars were too thin for."""
    if not (found.get("cut_fills") or found.get("unborne")):
        return ""
    return soft(
        f"{found['cut_fills']:,} fills took all that their bar bore, and less than was asked; {found['unborne']:,} entries "
        "found nothing to take."
    )


def _recorded(found: Mapping[str, Any], report: Report) -> str:
    """How many fills met the market as it was recorded."""
    if report.get("context", {}).get("replay") is None:
        return ""
    fills = sum(int(part["fills"]) for part in found["fee_parts"])
    return soft(
        f"{found['recorded_fills']:,} of {fills:,} fills met what was recorded; of the bars of the others nothing was."
    )


def places(report: Report) -> str:
    """Where trades were made: volatility, trend, pair, hour."""
    found = report.get("parts")
    if not found:
        return ""
    rows = [
        (
            f"{_PARTS[part['by']]}: {part['name']}", percent(part["bars"], 0), f"{part['trades']:,}",
            percent(part["hit_rate"], 1), signed_percent(part["mean_net_return"], 3), _money(part["net"], signed=True),
            _money(part["fees"]),
        )
        for part in found
    ]  # fmt: skip
    names = ("Trades that began in", "Share of time", "Trades", "Hit rate", "Mean return", "Net", "Fees")
    return table("Where it was earned", names, rows) + soft(
        "Trend: the rise or fall over the 240 bars before the entry. Volatility: over the 60 bars before it, against "
        "the whole run's."
    )


def doubts(report: Report) -> str:
    """Bars that reached stop and target."""
    found = report.get("ambiguity")
    if found is None:
        return ""
    said = (
        f"{found['trades']:,} of {found['stopped']:,} stopped trades ended in a bar that reached stop and target, in an "
        f"order that the bar does not tell. The stop was taken; their targets had brought {_money(found['at_stake'])} more."
        if found["trades"]
        else f"No bar reached stop and target of the same trade ({found['stopped']:,} trades were stopped): "
        "how a bar is read made no difference."
    )
    return f"<h2>Inside the bar</h2><p>{escape(said)}</p>"


def _bounds(estimate: Report, shown: Callable[[float | None], str]) -> tuple[Marked, Marked]:
    return Marked(shown(estimate["low"]), ""), Marked(shown(estimate["high"]), "")


def _range(estimate: Report, shown: Callable[[float | None], str]) -> Marked:
    """Neither good nor bad, whatever its lower end."""
    low, high = _bounds(estimate, shown)
    return Marked(f"{low} to {high}" if estimate["low"] is not None else "–", "")


def _short(value: float | None) -> str:
    return signed_percent(value, 1)


def _fine(value: float | None) -> str:
    return signed_percent(value, 3)


def _coarse(value: float | None) -> str:
    return percent(value, 1)


def _three(quantiles: Sequence[float], shown: Callable[[float | None], str]) -> Marked:
    return Marked(", ".join(shown(quantiles[place]) for place in (0, len(quantiles) // 2, -1)), "")


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f} times"


def _money(amount: str, *, signed: bool = False) -> str:
    """With its sign, which colours it in a table, where that is asked for and it is not zero."""
    sign = "+" if signed and float(amount) else ""
    return f"{float(amount):{sign},.2f}".replace("-", "−")
