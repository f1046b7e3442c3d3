"""Trading: bars with what was bought and sold in them, what is held, what waits, and every trade with its reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.booked_trades import BookedFill, BookedTrade, booked_trades
from gal_friday_core.candles import Series
from gal_friday_core.errors import RegistryError
from gal_friday_core.money import ZERO
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.dashboard.accounts import RECORDED, Account, accounts, chosen, series_of
from gal_friday_live.dashboard.candles import Drawn, Stretch, bars, figure
from gal_friday_live.dashboard.figures import UNKNOWN, instant, money, percent, price, seconds
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.one_account import TRADER
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.prose import prose
from gal_friday_live.dashboard.reasons import earned, ending, parts, share
from gal_friday_live.dashboard.roles import missing
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import (
    card,
    chart,
    empty,
    expand,
    figures,
    live,
    note,
    refreshed,
    table,
)
from gal_friday_live.explanation import explain

SPANS = (120, 360, 1_440)
"""Bars that may be drawn at once."""
MOST_FILLS = 1_000
MOST_TRADES = 60
AROUND = 0.35
"""So much of the chart lies behind the trade that it was opened for."""

FOLLOWED = {
    "quantity": price, "average_entry_price": price, "market_value": money, "unrealized_pnl": money,
    "protected_quantity": price,
}  # fmt: skip
"""Of a position, as `figures.FORMATS` writes them too."""

NO_DATABASE = "No database yet: `gal-friday up` makes one, and trades with paper money."
NO_ACCOUNT = "No account has traded yet. Start one with `gal-friday up` or `gal-friday live`; both begin with paper money."


@dataclass(frozen=True, slots=True)
class Looked:
    """One account, the series that is drawn, and its fills."""

    account: Account
    others: Sequence[Account]
    series: Sequence[Series]
    fills: Sequence[BookedFill]
    trades: Sequence[BookedTrade]


async def render(view: View) -> Html:
    """The page of one account."""
    if view.database is None:
        return empty(prose(NO_DATABASE))
    found = await _looked(view, view.database)
    if found is None:
        return empty(prose(NO_ACCOUNT))
    state = await _state(view, view.database, found.account)
    note_ = "Newest first. Open one to see why it was made."
    return join(
        refreshed("account", _whose(found), _unheard(state["unheard"])),
        _chart(view, found),
        card("Positions", _positions(state["positions"], found), wide=True, id_="positions"),
        card("Open orders", _orders(state["orders"]), wide=True, id_="orders"),
        card("Trades", _trades(view, found), wide=True, id_="trades", note=note_),
    )


async def candles(view: View) -> Any:
    """The chart's figure: `session`, `pair`, `bars`, and `to`, the close of the last bar in nanoseconds."""
    if view.database is None:
        return {"empty": NO_DATABASE}
    history, found = TradingHistory(view.database), await _looked(view, view.database)
    if found is None:
        return {"empty": NO_ACCOUNT}
    series = _drawn_series(view, found)
    if series is None:
        return {"empty": "The engine has not told of any bar yet."}
    lake, sessions = CandleLake(lake_dir(view.manager.config)), found.account.sessions
    until = _number(view.query.get("to")) or await history.newest_bar_ns(sessions, series)
    if until is None:
        until = lake.closed_ns(series) or view.now_ns
    first = until - _span(view) * series.interval_ns
    drawn = await bars(history, lake, Stretch(sessions, series, first + 1, until + 1))
    fills = [
        fill
        for fill in found.fills
        if fill.pair == series.pair and first <= fill.ts_ns <= until + series.interval_ns
    ]
    trades = [
        one
        for one in found.trades
        if one.pair == series.pair and one.opened_ns <= until and (one.closed_ns or until) >= first
    ]
    return figure(Drawn(drawn, fills, trades))


async def why(view: View) -> Any:
    """What led to the order that `order` names, and to the one that ended its trade, where `exit` names it."""
    if view.database is None:
        return {"parts": [{"title": NO_DATABASE, "rows": []}]}
    ended = view.query.get("exit")
    try:
        told = parts(await explain(view.database, view.query.get("order", "")))
        end = [] if ended is None else ending(await explain(view.database, ended))
    except RegistryError as error:
        return {"parts": [{"title": "Not known", "rows": [["", str(error)]]}]}
    return {"parts": [*told[:3], *end, *told[3:]]}


async def _looked(view: View, database: Database) -> Looked | None:
    known = await accounts(view, database)
    account = chosen(view, known)
    if account is None:
        return None
    history = TradingHistory(database)
    series = await series_of(history, account)
    fills = await history.fills(account.session, MOST_FILLS)
    trades = booked_trades(fills, whole=len(fills) < MOST_FILLS)
    return Looked(account, [one for one in known if one is not account], series, fills, trades)


async def _state(view: View, database: Database, account: Account) -> Mapping[str, Any]:
    """Positions by pair and open orders: the engine's word where it runs, else the journal's; `unheard` says why."""
    metrics = view.reading.metrics
    if account.running and "orders" in metrics:
        return {"positions": metrics.get("positions") or {}, "orders": metrics["orders"], "unheard": None}
    unheard = missing(metrics, TRADER) if account.running else None
    recorded = await RECORDED.of(view, database, account)
    if recorded is None:
        return {"positions": {}, "orders": [], "unheard": unheard}
    positions, orders = recorded.positions()["positions"], recorded.orders(ended=False)["orders"]
    return {"positions": positions, "orders": orders, "unheard": unheard}


def _whose(found: Looked) -> Html:
    """Which account this is; that it does not trade, where it does not; and the others."""
    account = found.account
    said = None
    if not account.running:
        said = note(
            f"No engine trades this account now. What it did until {instant(to_iso(account.last_ns))} UTC "
            "stands below, as its journal has it.",
            tone="warn",
        )
    links = [
        tag("a", f"{one.title} {one.session[:8]}", href=_address({}, session=one.session[:13]))
        for one in found.others[:8]
    ]
    others = (
        tag("nav", "Other accounts: ", links, class_="others", aria_label="Other accounts") if links else None
    )
    name = tag("p", tag("strong", account.title), f" session {account.session[:8]}", class_="soft")
    override = account.override and note(
        f"It trades a model that nobody promoted. {account.override}", tone="warn"
    )
    return join(name, said, override or None, others)


def _unheard(why: str | None) -> Html | None:
    return None if why is None else note(f"{why} Positions and orders are those of its journal.", tone="warn")


def _chart(view: View, found: Looked) -> Html:
    series = _drawn_series(view, found)
    if series is None:
        return card("Market", empty("The engine has not told of any bar yet."), wide=True)
    query = {**view.query, "session": found.account.session}
    pairs = [
        _choice(one.pair, one == series, _address(query, pair=one.pair, to=None))
        for one in found.series
        if len(found.series) > 1
    ]
    spans = [
        _choice(
            seconds(bars * series.interval_ns / SECOND_NS),
            bars == _span(view),
            _address(query, bars=str(bars)),
        )
        for bars in SPANS
    ]
    label = f"{series.pair}, {series.interval} bars, with fills, stops and targets. The trades below say the same in words."
    return card(
        f"{series.pair} · {series.interval}",
        tag("div", tag("nav", pairs, aria_label="Pair") if pairs else None,
            tag("nav", spans, aria_label="Length of the chart"), class_="choices"),
        chart("trading", "candles", label=label, height=420, query=urlencode({**query, "pair": series.pair}),
              follow="counts.bars" if found.account.running and "to" not in query else None),
        wide=True,
    )  # fmt: skip


def _choice(text: str, is_chosen: bool, address: str) -> Html:
    return tag("a", text, href=address, aria_current="true" if is_chosen else None)


def _positions(held: Mapping[str, Any], found: Looked) -> Html:
    trades = {one.pair: one for one in found.trades if one.closed_ns is None}
    names = ("Pair", "Quantity", "Entry", "Worth", "Unrealised", "Stop", "Target", "Protected", "Since")
    rows = [_position(pair, one, trades.get(pair), found) for pair, one in held.items()]
    nothing = "Nothing is held. The strategy buys where its rule and the risk check allow it."
    return table(names, rows, caption="Positions", empty=nothing, numeric=range(1, 8))


def _position(pair: str, one: Mapping[str, Any], trade: BookedTrade | None, found: Looked) -> tuple[Any, ...]:
    """What the engine knows of it follows the engine where it runs."""
    values = {**one, "market_value": one.get("market_value", one.get("current_market_value"))}
    told: dict[str, Any] = {name: form(values.get(name)) for name, form in FOLLOWED.items()}
    if found.account.running:
        told = {name: live(f"positions.{pair}.{name}", text) for name, text in told.items()}
    return (
        pair, told["quantity"], told["average_entry_price"], told["market_value"], told["unrealized_pnl"],
        _level(trade.stop if trade else None), _level(trade.target if trade else None),
        told["protected_quantity"], instant(to_iso(trade.opened_ns)) if trade else UNKNOWN,
    )  # fmt: skip


def _orders(waiting: Sequence[Mapping[str, Any]]) -> Html:
    names = (
        "Order",
        "Pair",
        "For",
        "Side",
        "Type",
        "Status",
        "Quantity",
        "Filled",
        "Limit",
        "Trigger",
        "Placed",
    )
    rows = [
        (
            tag("code", str(one["client_order_id"])[:13], title=one["client_order_id"]), one["pair"], _word(one["purpose"]),
            _word(one["side"]), _word(one["type"]), _word(one["status"]), price(one["quantity"]), price(one["filled"]),
            _level(one["limit_price"]), _level(one["trigger_price"]), instant(one["created_at"]),
        )
        for one in waiting
    ]  # fmt: skip
    return table(names, rows, caption="Open orders", empty="No order waits.", numeric=range(6, 10))


def _trades(view: View, found: Looked) -> Html:
    if not found.trades:
        return empty(
            "No trade yet. The model must promise more than a trade costs: the model page shows from which "
            "probability on it buys, the risk page what keeps it back."
        )
    newest = list(reversed(found.trades))
    shown = [_trade(view, one, found) for one in newest[:MOST_TRADES]]
    more = len(newest) - len(shown)
    told = tag(
        "p", prose(f"{more:,} earlier trades: `gal-friday orders --all` lists their orders."), class_="soft"
    )
    return join(_tally(found), tag("div", shown, class_="trades"), told if more else None)


def _tally(found: Looked) -> Html:
    """What all of them came to."""
    ended = [one for one in found.trades if one.closed_ns is not None]
    won = sum(one.net > 0 for one in ended)
    net = sum((one.net for one in found.trades), ZERO)
    return figures([
        ("Trades", f"{len(found.trades):,}", f"{len(found.trades) - len(ended)} still open"),
        ("Won", f"{won:,}", percent(won / len(ended)) if ended else ""),
        ("Net", tag("span", earned(net), class_="gain" if net >= 0 else "loss"), f"{found.account.quote}, fees paid"),
        ("Fees", money(sum((one.fees for one in found.trades), ZERO)), found.account.quote),
    ])  # fmt: skip


def _trade(view: View, one: BookedTrade, found: Looked) -> Html:
    """One line; opened, all that led to it and ended it."""
    is_open = one.closed_ns is None
    way = f"{price(one.entry)} → {'' if is_open else price(one.exit)}"
    kind = "" if is_open else "gain" if one.net >= 0 else "loss"
    result = earned(one.net) + ("" if one.net_return is None else f" ({share(one.net_return)})")
    last = one.closed_ns or one.opened_ns
    held = "" if is_open else f" after {seconds((last - one.opened_ns) / SECOND_NS)}"
    summary = tag(
        "span",
        tag("span", instant(to_iso(one.opened_ns))[:16], class_="when"),
        tag("span", one.pair, class_="what"),
        tag("span", f"{price(one.quantity)} · {way}", class_="way"),
        tag("span", "still held" if is_open else f"{_word(one.ended_by) or 'sold'}{held}", class_="end"),
        tag("span", result, class_=f"net {kind}".strip()),
        class_="trade",
    )
    asked = {"order": one.entry_order}
    if one.exit_order not in (None, one.entry_order):
        asked["exit"] = str(one.exit_order)
    shown = _address(
        {**view.query, "session": found.account.session},
        pair=one.pair,
        to=str(_behind(last, one.pair, view, found)),
    )
    link = tag(
        "a",
        "Chart",
        href=shown,
        aria_label=f"Show the trade of {instant(to_iso(one.opened_ns))[:16]} in the chart",
    )
    return tag("div", expand(summary, f"/data/trading/why?{urlencode(asked)}"), link, class_="one")


def _behind(last_ns: int, pair: str, view: View, found: Looked) -> int:
    """Where a chart ends that shows the trade whole, on the grid of the bars."""
    step = next((one.interval_ns for one in found.series if one.pair == pair), 60 * 10**9)
    return (last_ns // step + int(_span(view) * AROUND)) * step


def _drawn_series(view: View, found: Looked) -> Series | None:
    wanted = view.query.get("pair")
    return next((one for one in found.series if one.pair == wanted), None) or next(iter(found.series), None)


def _span(view: View) -> int:
    wanted = _number(view.query.get("bars"))
    return wanted if wanted in SPANS else SPANS[1]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 19 else None


def _address(query: Mapping[str, str], **changes: str | None) -> str:
    asked = {name: value for name, value in {**query, **changes}.items() if value}
    return f"/trading?{urlencode(asked)}" if asked else "/trading"


def _level(value: Any) -> str:
    return UNKNOWN if value is None else price(value)


def _word(name: Any) -> str:
    return str(name or "").replace("_", " ").lower()


PAGE = Page(name="trading", title="Trading", render=render, data={"candles": candles, "why": why})
