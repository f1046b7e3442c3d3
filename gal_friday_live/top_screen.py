"""One screen of a terminal about one engine: what it does, has, and may still do. Draws, and asks nobody.

Entry point: `screen`. Numbers that are not of now are drawn dim, under a line that says how old they are.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from rich.align import Align
from rich.console import Console, ConsoleOptions, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gal_friday_core.times import to_iso
from gal_friday_live.dashboard.one_account import ALPHA, DECISION, TRADER, lacking
from gal_friday_live.dashboard.view import Reading

Values = Mapping[str, Any]
WIDE: Final = 110
"""Columns from which on two panels stand side by side."""
KEYS: Final = "q quit   h halt"
CLOSE: Final = 0.8
"""Of a limit: from there on it is worth a look."""


class Screen:
    """A reading as it is drawn in a console of any size. `note` stands in the last line instead of the keys."""

    def __init__(self, reading: Reading, now_ns: int, *, note: str = "", path: str = "") -> None:
        self._reading = reading
        self._now_ns = now_ns
        self._note = note
        self._path = path

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        wide = options.max_width >= WIDE
        layout = Layout()
        layout.split_column(Layout(self._head(), size=2), Layout(name="body"), Layout(self._foot(), size=1))
        metrics = self._reading.metrics
        if metrics:
            _fill(layout["body"], metrics, wide=wide, style="" if self._reading.live else "dim")
        else:
            layout["body"].update(Align.center(Text("Nothing to show yet."), vertical="middle"))
        yield layout

    def _head(self) -> Text:
        engine = self._reading.metrics.get("engine", {})
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(f" {plain(engine.get('mode', 'gal-friday'))} ", "bold reverse")
        head.append(f"  {', '.join(map(plain, engine.get('series', ())))}  ")
        head.append(plain(engine.get("time", ""))[:19].replace("T", " "), "dim")
        head.append("\n")
        return head.append_text(self._state(engine))

    def _state(self, engine: Values) -> Text:
        reading = self._reading
        since = f"since {to_iso(reading.since_ns)[11:19]} UTC"
        if reading.state == "gone" and not reading.problem:
            return Text("Looking for an engine …", "dim")
        if reading.state == "gone":
            told = f"NO ENGINE {since}: nothing answers at {plain(self._path)}. gal-friday live starts one."
            return Text(told + self._age(), "bold red")
        if reading.state == "hung":
            return Text(f"NO ANSWER {since}: {plain(reading.problem)}.{self._age()}", "bold red")
        return _trading(engine)

    def _age(self) -> str:
        age_s = self._reading.age_s(self._now_ns)
        return "" if age_s is None else f" What follows is {age_s:,.0f} s old."

    def _foot(self) -> Text:
        return Text(self._note or KEYS, "bold yellow" if self._note else "dim", no_wrap=True)


def _trading(engine: Values) -> Text:
    if lost := engine.get("lost"):
        told = "; ".join(f"{one['title']} since {one['since'][11:19]} UTC" for one in lost)
        return Text(f"✗ NOT HEARD: {plain(told)}", "bold red")
    if unheard := engine.get("unheard"):
        return Text(f"! not connected: {plain(', '.join(unheard))}", "yellow")
    if engine.get("halted"):
        return Text(f"✗ HALTED: {plain(engine.get('halt_reason', ''))}", "bold red")
    if why := engine.get("blocked_by"):
        return Text(f"! enters nothing: {plain(why)}", "yellow")
    if engine.get("market_ended"):
        return Text("! the recorded market has ended: nothing more is traded", "yellow")
    return Text(f"✓ {plain(engine.get('state', ''))}", "green")


def _fill(body: Layout, metrics: Values, *, wide: bool, style: str) -> None:
    account = _panel("Account", _account(metrics), style)
    limits = _panel("Limits", _limits(metrics), style)
    positions = _panel("Positions", _positions(metrics), style)
    orders = _panel("Open orders", _orders(metrics), style)
    work = _panel("Work", _work(metrics), style)
    roles = (
        [Layout(_panel("Roles", _roles(metrics), style), size=len(metrics["roles"]) + 3)]
        if "roles" in metrics
        else []
    )
    if wide:
        body.split_row(Layout(name="left"), Layout(name="right", ratio=2))
        body["left"].split_column(Layout(account, ratio=2), Layout(limits, ratio=3))
        body["right"].split_column(
            *roles, Layout(positions, ratio=2), Layout(orders, ratio=3), Layout(work, ratio=2, minimum_size=7),
        )  # fmt: skip
        return
    body.split_column(
        Layout(name="top", ratio=2), *roles, Layout(positions, ratio=2), Layout(orders, ratio=2),
    )  # fmt: skip
    body["top"].split_row(Layout(account), Layout(limits))


def _panel(title: str, inside: Any, style: str) -> Panel:
    return Panel(inside, title=title, title_align="left", border_style="dim", style=style, padding=(0, 1))


def _account(metrics: Values) -> Table:
    account: Values = metrics.get("account", {})
    currency = plain(account.get("currency", ""))
    grid = _grid()
    for name in ("equity", "cash", "unrealized_pnl", "realized_pnl", "fees"):
        if name in account:
            grid.add_row(
                _words(name), Text(f"{_money(account[name])} {currency}", _sign(name, account[name]))
            )
    for name in ("exposure", "daily_drawdown", "weekly_drawdown", "total_drawdown"):
        if name in account:
            grid.add_row(_words(name), Text(_share(account[name])))
    return grid


def _roles(metrics: Values) -> Table:
    """Of a split engine: how each is, and how far behind."""
    table = _table("Role", "State", "Strands", "Oldest", "p99")
    for one in metrics["roles"].values():
        heard, strands = one["state"] == "live", one.get("strands", {})
        word = str(one["engine"]["state"]) if heard else "not heard"
        table.add_row(
            plain(one["title"]), Text(plain(word), "green" if word == "ACTIVE" else "bold red"),
            plain(strands.get("waiting", "–")), _age(strands.get("oldest_s")), _age(strands.get("handled_p99_s")),
        )  # fmt: skip
    return table


def _age(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _unheard(metrics: Values, role: str) -> Text:
    return Text(f"Not known: {plain(lacking(metrics, role))}.", "yellow")


def _limits(metrics: Values) -> Table | Text:
    """The closest first; what nothing limits is left out."""
    if lacking(metrics, DECISION) is not None:
        return _unheard(metrics, DECISION)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(ratio=3, no_wrap=True)
    grid.add_column(ratio=2)
    grid.add_column(justify="right", no_wrap=True)
    limits: Values = metrics.get("risk", {}).get("limits", {})
    limited = [(name, float(one["used"])) for name, one in limits.items() if one["used"] is not None]
    for name, used in sorted(limited, key=lambda one: -one[1]):
        style = "red" if used >= 1 else "yellow" if used >= CLOSE else "green"
        bar = ProgressBar(total=1, completed=min(max(used, 0), 1), complete_style=style, finished_style=style)
        grid.add_row(Text(_words(name)), bar, Text(f"{used:.0%}", style))
    return grid


def _positions(metrics: Values) -> Table | Text:
    held: Values = metrics.get("positions", {})
    if not held:
        return Text("None.", "dim")
    table = _table("Pair", "Quantity", "Entry", "Price", "Value", "Profit", "Stop covers")
    for pair, one in held.items():
        covered = _covered(one)
        table.add_row(
            plain(pair), plain(one["quantity"]), _price(one["average_entry_price"]), _price(one["price"]),
            _money(one["market_value"]), Text(_money(one["unrealized_pnl"]), _sign("pnl", one["unrealized_pnl"])),
            covered,
        )  # fmt: skip
    return table


def _covered(one: Values) -> Text:
    """How much of a position has a stop; who knows no orders does not know."""
    protected = one["protected_quantity"]
    if protected is None:
        return Text("–", "dim")
    if _number(protected) >= abs(_number(one["quantity"])):
        return Text("✓ all", "green")
    return Text(f"✗ {plain(protected)}", "bold red")


def _orders(metrics: Values) -> Table | Text:
    if lacking(metrics, TRADER) is not None:
        return _unheard(metrics, TRADER)
    orders: Iterable[Values] = metrics.get("orders", ())
    if not orders:
        return Text("None.", "dim")
    table = _table("Pair", "Side", "For", "Quantity", "Filled", "Price", "State")
    for one in orders:
        price = one.get("trigger_price") or one.get("limit_price")
        table.add_row(
            plain(one["pair"]), Text(plain(one["side"]), "green" if one["side"] == "BUY" else "red"),
            plain(one["purpose"]), plain(one["quantity"]), plain(one["filled"]),
            "market" if price is None else _price(price), plain(one["status"]),
        )  # fmt: skip
    return table


def _work(metrics: Values) -> Table:
    """What it counted, and how it is."""
    counts: Values = metrics.get("counts", {})
    health: Values = metrics.get("health", {})
    grid = _grid()
    named = ("bars", "predictions", "proposed", "approved", "rejected", "orders", "fills")
    grid.add_row("Counts", "  ".join(f"{_words(name)} {counts[name]:,}" for name in named if name in counts))
    grid.add_row(
        "Health", "  ".join(_measured(name, value) for name, value in health.items() if value is not None)
    )
    models = ", ".join(map(plain, metrics["engine"].get("models", ()))) or "none"
    grid.add_row("Models", models if lacking(metrics, ALPHA) is None else _unheard(metrics, ALPHA))
    for finding in metrics["engine"].get("findings", ()):
        grid.add_row(Text("Look at", "yellow"), Text(plain(finding), "yellow"))
    return grid


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    return grid


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def plain(value: Any) -> str:
    r"""Text of others, in which nothing commands the terminal.

    >>> plain("a\x1b[2Jb")
    'a [2Jb'
    """
    return "".join(letter if letter.isprintable() else " " for letter in str(value))


def _words(name: str) -> str:
    return plain(name).replace("_", " ").replace(" pnl", " profit")


def _measured(name: str, value: float) -> str:
    """A reading, whose name ends with its unit.

    >>> _measured("loop_lag_s", 0.0317), _measured("memory_mb", 4193.2)
    ('loop lag 32 ms', 'memory 4,193 MB')
    """
    what, _, unit = name.rpartition("_")
    if unit == "mb":
        return f"{_words(what)} {value:,.0f} MB"
    return f"{_words(what)} {f'{value * 1000:.0f} ms' if value < 1 else f'{value:,.0f} s'}"


def _number(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)


def _money(value: Any) -> str:
    return f"{_number(value):,.2f}"


def _price(value: Any) -> str:
    """Small prices keep their digits."""
    return f"{_number(value):,.8g}"


def _share(value: Any) -> str:
    return f"{_number(value):.2%}"


def _sign(name: str, value: Any) -> str:
    if "pnl" not in name or not _number(value):
        return ""
    return "green" if _number(value) > 0 else "red"
