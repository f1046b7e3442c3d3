"""The first page: is it well, what is it worth, how far from its limits, how old is what it sees."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.times import DAY_NS, from_iso, to_iso
from gal_friday_live.dashboard.accounts import RECORDED, accounts, chosen, series_of
from gal_friday_live.dashboard.figures import at, instant, text
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.messages import limit_text
from gal_friday_live.dashboard.one_account import ALPHA, DECISION, lacking
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.roles import missing, missing_notes, roles_card
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import (
    bar,
    card,
    chart,
    empty,
    figures,
    grid,
    live,
    note,
    refreshed,
    rows,
    table,
)  # fmt: skip

HISTORY_NS = 30 * DAY_NS
POINTS = 600
START = "Start one with gal-friday up, which brings everything with it, or gal-friday live: both begin with paper money."
ACCOUNT = (
    ("Cash", "account.cash"), ("Exposure", "account.exposure"), ("Open profit", "account.unrealized_pnl"),
    ("Realized profit", "account.realized_pnl"), ("Fees", "account.fees"), ("Fallen today", "account.daily_drawdown"),
    ("Fallen since the top", "account.total_drawdown"),
)  # fmt: skip
LIMITS = {
    "max_total_exposure": "Exposure, all pairs",
    "max_daily_drawdown": "Lost since 00:00 UTC",
    "max_weekly_drawdown": "Lost since Monday",
    "max_total_drawdown": "Lost since the top",
}
SEEN = (
    ("Model", "engine.models"), ("Series", "engine.series"), ("Engine's time", "engine.time"),
    ("Market connected", "engine.connected"), ("Market last heard", "measured.feed.heard_age_seconds"),
    ("Order out, median", "measured.order_path.send_p50_seconds"), ("Event loop late, worst", "measured.loop.lag_max_seconds"),
)  # fmt: skip
DONE = (
    ("Bars", "counts.bars"), ("Predictions", "counts.predictions"), ("Trades proposed", "counts.proposed"),
    ("Trades approved", "counts.approved"), ("Trades refused", "counts.rejected"), ("Orders sent", "counts.orders"),
    ("Fills", "counts.fills"),
)  # fmt: skip


async def render(view: View) -> Html:
    """The account, and what it is near to."""
    if view.reading.at_ns is None:
        return join(*await _without_engine(view))
    metrics = view.reading.metrics
    return join(
        refreshed("reasons", _reasons(metrics)),
        roles_card(metrics),
        card("Account", _account(metrics), chart("main", "equity", label="Equity and drawdown", height=320, follow="counts.bars"), wide=True),
        grid(
            card("How close to its limits", _limits(metrics), tag("p", tag("a", "All limits", href="/risk")), id_="limits"),
            card("What it sees", rows(_live(metrics, SEEN)), id_="sees"),
            card("What it did", rows(_live(metrics, DONE)), id_="did"),
        ),
        card("Positions", _positions(metrics), wide=True, id_="positions"),
    )  # fmt: skip


async def equity(view: View) -> Any:
    """The chart's figure: what the account was worth by bar, over the last month that it traded."""
    if view.database is None:
        return {"empty": "No database yet: gal-friday up makes one."}
    account = chosen(view, await accounts(view, view.database))
    if account is None:
        return figure([])
    points: dict[int, Decimal] = {}
    history = TradingHistory(view.database)
    for series in await series_of(history, account):
        span = await history.equity_span(account.session, series.pair)
        if span is not None:
            first, last = max(span[0], span[1] - HISTORY_NS), span[1]
            found = await history.equity(account.session, series.pair, first, last + 1, POINTS)
            points |= {ts: worth for ts, worth, _ in found}
    if account.running:
        now = from_iso(str(at(view.reading.metrics, "engine.time")))
        points[now] = Decimal(str(at(view.reading.metrics, "account.equity")))
    return figure(sorted(points.items()))


def figure(points: Sequence[tuple[int, Decimal]]) -> dict[str, Any]:
    """Equity above, its fall from the highest so far below, as Plotly takes it."""
    if len(points) < 2:
        return {"empty": "Nothing to draw yet: equity is noted with each bar while something is held."}
    times = [to_iso(ts)[:19].replace("T", " ") for ts, _ in points]
    worth = [float(value) for _, value in points]
    fallen = [value / top - 1 for value, top in zip(worth, accumulate(worth, max), strict=True)]
    line = {"type": "scatter", "mode": "lines", "x": times}
    return {
        "data": [
            {**line, "name": "Equity", "role": "equity", "y": worth, "line": {"shape": "hv"}},
            {**line, "name": "Drawdown", "role": "loss", "y": fallen, "yaxis": "y2", "fill": "tozeroy", "line": {"shape": "hv"}},
        ],
        "layout": {
            "xaxis": {"anchor": "y2"},
            "yaxis": {"domain": [0.34, 1], "tickformat": ",.2f"},
            "yaxis2": {"domain": [0, 0.26], "tickformat": ".1%", "hoverformat": ".2%", "rangemode": "tozero"},
        },
    }  # fmt: skip


def _account(metrics: Mapping[str, Any]) -> Html:
    worth = tag(
        "dl",
        tag(
            "div",
            tag("dt", "Equity, ", text(metrics, "account.currency")),
            tag("dd", live("account.equity", text(metrics, "account.equity"))),
            class_="lead",
        ),
        class_="figures",
    )
    return join(worth, figures((name, value, "") for name, value in _live(metrics, ACCOUNT)))


def _limits(metrics: Mapping[str, Any]) -> Html:
    if (unknown := missing(metrics, DECISION)) is not None:
        return empty(unknown)
    known: Mapping[str, Any] = at(metrics, "risk.limits") or {}
    shown = [(key, one) for key, one in known.items() if one["name"] in LIMITS and one["limit"] is not None]
    if not shown:
        return empty("No limit is set: see section risk of the configuration.")
    return join(
        bar(LIMITS[one["name"]], limit_text(one), one["used"], limit=limit_text(one, "limit"), live_path=f"risk.limits.{key}")
        for key, one in shown
    )  # fmt: skip


def _positions(metrics: Mapping[str, Any]) -> Html:
    held: Mapping[str, Any] = metrics.get("positions", {})
    names = (
        "quantity",
        "average_entry_price",
        "price",
        "market_value",
        "unrealized_pnl",
        "protected_quantity",
    )
    drawn = [
        (
            pair,
            *(live(f"positions.{pair}.{name}", text(metrics, f"positions.{pair}.{name}")) for name in names),
        )
        for pair in held
    ]
    heads = ("Pair", "Held", "Bought at", "Price now", "Worth", "Open profit", "With a stop")
    return table(
        heads, drawn, caption="Positions", numeric=range(1, 7),
        empty="Nothing is held. The model buys when it says so and every limit agrees.",
    )  # fmt: skip


def _reasons(metrics: Mapping[str, Any]) -> Html:
    """What keeps entries back, and what is not as it should be."""
    blocks: Sequence[Mapping[str, str]] = at(metrics, "engine.blocks") or ()
    findings: Sequence[str] = at(metrics, "engine.findings") or ()
    unknown = at(metrics, "counts.unknown_orders")
    said = [note(f"No entries of {one['pair'] or 'any pair'}: {_why(one)}", tone="warn") for one in blocks]
    codes = {one["code"] for one in blocks}
    said += [note(finding, tone="warn") for finding in findings if finding.partition(":")[0] not in codes]
    if unknown:
        said.append(
            note(
                f"The exchange is asked what became of {'an order' if unknown == 1 else f'{unknown} orders'}.",
                tone="warn",
            )
        )
    said += missing_notes(metrics)
    if lacking(metrics, ALPHA) is None and not at(metrics, "engine.models"):
        said.append(
            note(
                "No model trades: see ",
                tag("a", "Model", href="/model"),
                " for which there are.",
                tone="warn",
            )
        )
    return join(said)


def _why(block: Mapping[str, str]) -> str:
    """Code and reason, each once."""
    code, why = block["code"], block["why"]
    return why if why.startswith(code) else f"{code}: {why}"


def _live(metrics: Mapping[str, Any], shown: Sequence[tuple[str, str]]) -> list[tuple[str, Html]]:
    return [(name, live(path, text(metrics, path))) for name, path in shown]


async def _without_engine(view: View) -> list[Html]:
    """What the journal knows, said to be old."""
    said = [note("No engine has answered yet. ", START)]
    if view.database is None:
        return said
    account = chosen(view, await accounts(view, view.database))
    recorded = await RECORDED.of(view, view.database, account) if account is not None else None
    if account is None or recorded is None:
        return said
    told = recorded.status()
    names = ("equity", "realized", "fees", "drawdown", "trading", "open_orders")
    return [
        *said,
        card(
            f"As the journal of {account.title} left it, {instant(told['as_of'])} UTC",
            rows((name.replace("_", " ").capitalize(), told[name]) for name in names),
            chart("main", "equity", label="Equity and drawdown", height=320),
            wide=True,
        ),
    ]


PAGE = Page(name="main", title="Overview", render=render, data={"equity": equity})
