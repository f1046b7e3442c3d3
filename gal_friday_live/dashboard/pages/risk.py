"""Risk: how close each limit is, what the worst case of either side would do, drawdowns, refusals and halts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.drawdown import Peaks
from gal_friday_core.risk.codes import meaning
from gal_friday_core.risk.settings import RiskConfig
from gal_friday_core.times import DAY_NS, SECOND_NS, to_iso
from gal_friday_live.dashboard.accounts import RECORDED, Account, accounts, chosen, series_of
from gal_friday_live.dashboard.figures import UNKNOWN, instant, money, percent, price, seconds
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.messages import limit_text
from gal_friday_live.dashboard.one_account import DECISION
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.pages.trading import NO_ACCOUNT, NO_DATABASE
from gal_friday_live.dashboard.prose import prose
from gal_friday_live.dashboard.roles import missing
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
    table,
)

SIDE = ("worth", "buying", "if_bought", "held", "selling", "if_sold", "stop_loss")
MONEY = frozenset({"worth", "buying", "if_bought", "stop_loss"})
"""In quote currency; the others are quantities of base."""
BY_HAND = "MANUAL by "
PERIODS = ("daily", "weekly", "total")
MOST_STATES = 200
SHOWN_HALTS = 30
POINTS = 400
HISTORY_NS = 30 * DAY_NS

TITLES = {
    "max_pair_exposure": "Held and ordered", "max_total_exposure": "Held and ordered, all pairs",
    "max_correlated_exposure": "Together with what moves along", "max_daily_drawdown": "Lost since 00:00 UTC",
    "max_weekly_drawdown": "Lost since Monday", "max_total_drawdown": "Lost since the highest equity",
    "max_open_orders": "Open orders", "max_orders_per_minute": "Approved within a minute",
    "max_losses_in_a_row": "Trades lost in a row", "max_daily_fees": "Fees since 00:00 UTC",
    "halt_orders_per_minute": "Orders of all kinds within a minute",
}  # fmt: skip
GROUPS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Exposure", ("max_total_exposure", "max_pair_exposure", "max_correlated_exposure"),
     "Of equity, once every waiting buy has filled. Beyond it nothing more is bought."),
    ("Drawdown", ("max_daily_drawdown", "max_weekly_drawdown", "max_total_drawdown"), "Beyond one of these, trading halts."),
    ("Pace", ("max_open_orders", "max_orders_per_minute", "halt_orders_per_minute", "max_losses_in_a_row", "max_daily_fees"),
     "How often, and how it went lately."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Halt:
    """From when to when entries were kept back; `until_ns` None where they still are."""

    since_ns: int
    until_ns: int | None
    state: str
    reason: str
    who: str
    action: str
    resumed_by: str
    resumed_because: str
    role: str = ""
    """Of a split engine, whose halt it is."""


async def render(view: View) -> Html:
    """The page of one account."""
    if view.database is None:
        return empty(prose(NO_DATABASE))
    account = chosen(view, await accounts(view, view.database))
    if account is None:
        return empty(prose(NO_ACCOUNT))
    history = TradingHistory(view.database)
    pairs = await _pairs(history, account)
    told = await _risk(view, view.database, account, pairs)
    states = await history.states(account.sessions, MOST_STATES)
    refused = await history.verdicts(account.sessions, account.last_ns - DAY_NS)
    halts = halts_by_role(states, account)
    current = account.running and "risk" in view.reading.metrics
    return join(
        refreshed("account", _said(account, halts), _unheard(view, account)),
        grid(*(_group(*group, told["limits"], current=current) for group in GROUPS)) if told else None,
        _worst(told, account, current=current) if told else empty("The journal says nothing of this account's money yet."),
        _drawdowns(account),
        card("What signals were refused for", _refusals(refused), wide=True, id_="refusals", note="In the last 24 hours of the account."),
        card("Halts", _halts(halts), wide=True, id_="halts", note="Newest first. A halt ends only by a person, with a reason."),
    )  # fmt: skip


async def drawdown(view: View) -> Any:
    """The chart's figure, of the month before the last thing that the account was valued at."""
    if view.database is None:
        return {"empty": NO_DATABASE}
    account = chosen(view, await accounts(view, view.database))
    if account is None:
        return {"empty": NO_ACCOUNT}
    history = TradingHistory(view.database)
    points: list[tuple[int, dict[str, float]]] = []
    pairs = await _pairs(history, account)
    for pair in pairs:
        span = await history.equity_span(account.session, pair)
        if span is not None:
            first, last = max(span[0], span[1] - HISTORY_NS), span[1]
            found = await history.equity(account.session, pair, first, last + 1, POINTS)
            points += [(ts, _lost(ts, equity, peaks)) for ts, equity, peaks in found]
    told = await _risk(view, view.database, account, pairs)
    if told is not None:  # fills that end a position move the account too, and are not noted as its value
        stands = {name: float(told["limits"][f"max_{name}_drawdown"]["value"]) for name in PERIODS}
        points.append((max(account.last_ns, *(ts for ts, _ in points), 0), stands))
    return figure(sorted(points, key=lambda one: one[0]))


def figure(points: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, Any]:
    """Losses as negative fractions, as Plotly takes it."""
    if len(points) < 3:
        return {"empty": "Nothing to draw yet: equity is noted with each bar while something is held."}
    times = [to_iso(ts)[:19].replace("T", " ") for ts, _ in points]
    looks = (
        ("total", "Since the highest", "loss"),
        ("weekly", "This week", "second"),
        ("daily", "Today", "equity"),
    )
    return {
        "data": [
            {
                "type": "scatter", "mode": "lines", "name": title, "role": role, "x": times,
                "y": [-lost[name] for _, lost in points], "line": {"shape": "hv"},
            }
            for name, title, role in looks
        ],
        "layout": {
            "yaxis": {"tickformat": ".1%", "hoverformat": ".2%", "rangemode": "tozero"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, "showlegend": True, "hovermode": "x unified",
        },
    }  # fmt: skip


def halts_by_role(changes: Sequence[Mapping[str, Any]], account: Account) -> list[Halt]:
    """Changes of all of an account's sessions, newest first, as stretches of each: roles halt and are resumed by themselves."""
    found = [
        replace(halt, role=account.called(session))
        for session in account.sessions
        for halt in halts_of(one for one in reversed(changes) if one["session"] == session)
    ]
    return sorted(found, key=lambda halt: halt.since_ns, reverse=True)


def halts_of(changes: Iterable[Mapping[str, Any]]) -> list[Halt]:
    """Changes of the trading state, oldest first, as stretches; newest first."""
    found: list[Halt] = []
    begun: Mapping[str, Any] | None = None
    for change in changes:
        record = change["record"]
        if record["state"] == "RUNNING":
            if begun is not None:
                found.append(_halt(begun, change))
            begun = None
        elif begun is None or begun["record"]["state"] != record["state"]:
            if begun is not None:
                found.append(_halt(begun, change))
            begun = change
    if begun is not None:
        found.append(_halt(begun, None))
    return found[::-1]


def _halt(begun: Mapping[str, Any], ended: Mapping[str, Any] | None) -> Halt:
    first, last = begun["record"], {} if ended is None else ended["record"]
    resumed = last.get("state") == "RUNNING"
    return Halt(
        since_ns=begun["ts_ns"], until_ns=None if ended is None else ended["ts_ns"], state=first["state"],
        reason=first.get("reason") or "", who=first.get("who") or "", action=first.get("halt_action") or "",
        resumed_by=(last.get("who") or "") if resumed else "",
        resumed_because=(last.get("reason") or "") if resumed else "",
    )  # fmt: skip


async def _risk(
    view: View, database: Database, account: Account, pairs: Sequence[str]
) -> Mapping[str, Any] | None:
    """The engine's word where it runs; else what its journal comes to, within the limits of the configuration."""
    told: Mapping[str, Any] | None = view.reading.metrics.get("risk") if account.running else None
    if told is not None:
        return told
    recorded = await RECORDED.of(view, database, account)
    return None if recorded is None else recorded.risk(pairs)


async def _pairs(history: TradingHistory, account: Account) -> list[str]:
    return [series.pair for series in await series_of(history, account)]


def _lost(ts_ns: int, equity: Decimal, peaks: Mapping[str, Any]) -> dict[str, float]:
    lost = Peaks.from_record(dict(peaks)).lost(ts_ns, equity)
    return dict(zip(PERIODS, map(float, lost), strict=True))


def _said(account: Account, halts: Sequence[Halt]) -> Html:
    """Whose risk this is, whether anybody trades it, and which halts of it stand."""
    name = tag("p", tag("strong", account.title), f" session {account.session[:8]}", class_="soft")
    stands = [
        note(
            f"{f'{one.role}: ' if one.role else ''}{one.state} since {instant(to_iso(one.since_ns))} UTC: {one.reason}. It "
            "stays so, also after a restart, until somebody resumes it.",
            tone="bad",
        )
        for one in halts
        if one.until_ns is None
    ]
    gone = None
    if not account.running:
        gone = note(
            f"No engine trades this account now. The numbers are of {instant(to_iso(account.last_ns))} UTC, against the "
            "limits that the configuration names today.",
            tone="warn",
        )
    return join(name, stands, gone)


def _unheard(view: View, account: Account) -> Html | None:
    """Limits of a split engine whose decision maker is not heard are those of a file, and may be others."""
    why = missing(view.reading.metrics, DECISION) if account.running else None
    if why is None:
        return None
    return note(f"{why} The account is held against the limits that this configuration names.", tone="warn")


def _group(title: str, names: Sequence[str], about: str, limits: Mapping[str, Any], *, current: bool) -> Html:
    shown = [(key, one) for name in names for key, one in limits.items() if one["name"] == name]
    bars = [_bar(key, one, current=current) for key, one in shown]
    return card(title, *(bars or [empty("None of these is limited.")]), note=about)


def _bar(key: str, one: Mapping[str, Any], *, current: bool) -> Html:
    title = f"{TITLES.get(one['name'], one['name'])} {one['scope']}".strip()
    about = RiskConfig.model_fields[one["name"]].description
    drawn = bar(
        title, limit_text(one), one["used"], limit=limit_text(one, "limit"),
        live_path=f"risk.limits.{key}" if current else None,
    )  # fmt: skip
    return tag("div", drawn, title=f"risk.{one['name']}: {about}")


def _drawdowns(account: Account) -> Html:
    label = "Drawdown of day, week and all time. The bars above say where it stands."
    drawn = chart("risk", "drawdown", label=label, height=240, query=f"session={account.session}")
    about = "Lost since the highest equity of the day, of the week, and of all time."
    return card("Drawdown", drawn, wide=True, note=about)


def _worst(told: Mapping[str, Any], account: Account, *, current: bool) -> Html:
    """Each side by itself: buys and sells are never netted, since either may fill first."""

    def shown(path: str, text: str) -> Html | str:
        return live(f"risk.{path}", text) if current else text

    share = shown("stop_loss_share", percent(told.get("stop_loss_share")))
    heads = figures([
        ("If every stop is hit", shown("stop_loss", money(told.get("stop_loss"))), join(share, " of equity, fees and slippage included")),
        ("Free cash", shown("cash_free", money(told["cash_free"])), "after every waiting buy"),
        ("Equity", shown("equity", money(told["equity"])), account.quote),
    ])  # fmt: skip
    rows = [
        (
            pair,
            *(
                shown(f"sides.{pair}.{name}", (money if name in MONEY else price)(side.get(name)))
                for name in SIDE
            ),
            _unprotected(side.get("unprotected")),
        )
        for pair, side in told["sides"].items()
    ]
    names = (
        "Pair", "Worth", "Waiting to buy", "If all is bought", "Held", "Waiting to sell", "If all is sold",
        "Lost at the stops", "Without a stop",
    )  # fmt: skip
    about = "Buys and sells are not set off against each other: either may fill first. Worth and losses in quote currency, held in base."
    drawn = table(names, rows, caption="Worst case by side", empty="No pair is traded.", numeric=range(1, 9))
    return card("The worst case of each side", heads, drawn, wide=True, id_="sides", note=about)


def _unprotected(quantity: Any) -> Html | str:
    if quantity is None:  # who decides does not know the stops
        return UNKNOWN
    if float(quantity) == 0:
        return "nothing"
    return tag("span", f"{price(quantity)} ✕", class_="bad")


def _refusals(found: Sequence[Mapping[str, Any]]) -> Html:
    total = sum(int(row["times"]) for row in found)
    rows = [
        (
            tag("code", row["verdict"]), meaning(row["verdict"]) or "Let through.", f"{row['times']:,}",
            percent(row["times"] / total), _numbers(row["details"], row["verdict"]), instant(to_iso(row["last_ns"])),
        )
        for row in found
    ]  # fmt: skip
    nothing = "No signal yet. The strategy proposes one where the model promises more than a trade costs."
    names = ("Verdict", "Meaning", "Times", "Share", "Last: limit and value", "Last at")
    return table(names, rows, caption="Verdicts of the risk check", empty=nothing, numeric=(2, 3))


def _numbers(details: Mapping[str, Any] | None, verdict: str) -> str:
    """What the last refusal compared."""
    if not details or verdict == "APPROVED":
        return ""
    known = [
        f"{name} {_short(details[name])}" for name in ("limit", "value") if details.get(name) is not None
    ]
    return ", ".join(known)


def _short(value: Any) -> str:
    text = str(value)
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _halts(halts: Sequence[Halt]) -> Html:
    split = any(one.role for one in halts)
    rows = [
        (
            instant(to_iso(one.since_ns)), *((one.role,) if split else ()), _word(one.state), one.reason, _asked_by(one), _word(one.action),
            "still" if one.until_ns is None else seconds((one.until_ns - one.since_ns) / SECOND_NS),
            f"{one.resumed_by}: {one.resumed_because}" if one.resumed_by else "",
        )
        for one in halts[:SHOWN_HALTS]
    ]  # fmt: skip
    nothing = "This account was never halted. The HALT button stops all entries at once; positions keep their stops."
    names = ("Since (UTC)", *(("Role",) if split else ()), "State", "Why", "By", "Did", "For", "Resumed by")
    return table(names, rows, caption="Halts", empty=nothing)


def _asked_by(one: Halt) -> str:
    """A person's name stands in the reason that the engine keeps of it."""
    if one.reason.startswith(BY_HAND):
        return one.reason.removeprefix(BY_HAND).partition(":")[0]
    return one.who or "the engine"


def _word(name: str) -> str:
    return name.replace("_", " ").lower()


PAGE = Page(name="risk", title="Risk", render=render, data={"drawdown": drawdown})
