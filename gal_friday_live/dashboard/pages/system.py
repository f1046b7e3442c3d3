"""How the engine itself is: bus, event loop, order path, database, memory, lines; and whether alerts arrive."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from gal_friday_live.dashboard.figures import at, nanoseconds, text
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.roles import roles_card
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import card, empty, grid, live, note, refreshed, rows, table

Rows = Sequence[tuple[str, str]]
LOOP: Rows = (
    ("Late, median", "measured.loop.lag_p50_seconds"), ("Late, 99th percentile", "measured.loop.lag_p99_seconds"),
    ("Late, worst of a minute", "measured.loop.lag_max_seconds"), ("Up", "measured.engine.uptime_seconds"),
)  # fmt: skip
BUS: Rows = (
    ("Events delivered", "bus.delivered"), ("Waiting", "bus.waiting"), ("Most that waited in a lane", "bus.deepest"),
    ("Handled within, median", "bus.handler_p50_ns"), ("Handled within, 99th percentile", "bus.handler_p99_ns"),
    ("Superseded by newer data", "bus.superseded"), ("Dropped", "bus.dropped"), ("Handlers that failed", "bus.failed"),
)  # fmt: skip
ORDERS: Rows = (
    ("Signal to bytes, median", "measured.order_path.send_p50_seconds"),
    ("Signal to bytes, 99th percentile", "measured.order_path.send_p99_seconds"),
    ("First answer, median", "measured.order_path.answer_p50_seconds"),
    ("First answer, 99th percentile", "measured.order_path.answer_p99_seconds"),
    ("Outcome unknown", "counts.unknown_orders"),
)  # fmt: skip
DATABASE: Rows = (
    ("Silent for", "health.database_silent_s"), ("Connections", "measured.database.pool_connections"),
    ("Idle", "measured.database.pool_idle"), ("Waiting for one", "measured.database.pool_waiting"),
    ("Waited so far", "measured.database.wait_seconds_total"), ("Statements", "measured.database.statements_total"),
    ("Journal records waiting", "measured.journal.waiting"), ("Notes dropped", "measured.journal.notes_dropped_total"),
    ("Writes that failed", "measured.journal.write_failures_total"),
)  # fmt: skip
LINES: Rows = (
    ("Market connected", "engine.connected"), ("Market last heard", "measured.feed.heard_age_seconds"),
    ("Market line down for", "health.market_line_down_s"), ("Account line down for", "health.account_line_down_s"),
    ("Account line lost", "engine.line_losses"), ("Clock differs from the exchange's", "health.clock_offset_s"),
    ("Trades missed", "measured.feed.missed_trades_total"),
)  # fmt: skip
MACHINE: Rows = (
    ("Memory", "measured.process.resident_bytes"), ("Processor time", "measured.process.cpu_seconds_total"),
    ("Threads", "measured.process.threads"), ("Open files", "measured.process.open_files"),
    ("Free disk", "health.free_disk_mb"), ("Longest full collection", "measured.gc.pause_max_seconds.2"),
    ("Objects left alone by it", "measured.gc.frozen_objects"),
)  # fmt: skip
STRANDS: Rows = (
    ("Waiting in its inbox", "strands.waiting"), ("The oldest for", "strands.oldest_s"),
    ("Handled within, median", "strands.handled_p50_s"), ("Handled within, 99th percentile", "strands.handled_p99_s"),
    ("Handled", "strands.done"), ("Failed", "strands.failed"), ("Expired", "strands.expired"),
    ("Put off", "strands.retried"), ("Database lost and found", "strands.reconnected"), ("Looked into", "strands.looked_s"),
)  # fmt: skip
RUN: Rows = (
    ("Mode", "engine.mode"), ("Session", "engine.session"), ("Run", "engine.run"), ("Code", "engine.code_version"),
    ("Flight recorded", "engine.recorded"), ("Halt is durable", "engine.halt_durable"),
)  # fmt: skip


async def render(view: View) -> Html:
    """The engine and the machine it runs on."""
    metrics = view.reading.metrics
    if view.reading.at_ns is None:
        return join(note("No engine has answered yet: there is nothing to measure."), _alerts(view))
    findings = at(metrics, "engine.findings") or ()
    return join(
        refreshed("findings", (note(finding, tone="warn") for finding in findings)),
        roles_card(metrics),
        *_looked_at(view, metrics),
    )


def _looked_at(view: View, metrics: Mapping[str, Any]) -> Iterator[Html]:
    """The whole engine, or the role that the address names, the first one where it names none."""
    roles: Mapping[str, Mapping[str, Any]] = metrics.get("roles", {})
    name = view.query.get("engine")
    name = name if name in roles else next(iter(roles), None)
    if name is None:
        yield from _measured(metrics, "", (), _alerts(view))
        return
    one = roles[name]
    links = [
        tag("a", each["title"], href=f"/system?{urlencode({'engine': other})}", aria_current="true" if other == name else None)
        for other, each in roles.items()
    ]  # fmt: skip
    yield tag("div", tag("nav", links, aria_label="Roles"), class_="choices")
    if one["state"] == "live":
        drawn = join(_measured(one, f"roles.{name}.", (("Strands", STRANDS),)))
    else:
        drawn = note(f"{one['title']}: nobody answers. {one['problem']}", tone="bad")
    yield refreshed("role", drawn)
    yield grid(_alerts(view))


def _measured(
    told: Mapping[str, Any], prefix: str, more: Sequence[tuple[str, Rows]], *others: Html
) -> Iterator[Html]:
    """`prefix` is where in the metrics it stands."""
    cards = (
        ("Event loop", LOOP), ("Event bus", BUS), *more, ("Order path", ORDERS), ("Database and journal", DATABASE),
        ("Lines", LINES), ("Machine", MACHINE), ("This run", RUN),
    )  # fmt: skip
    drawn = (
        card(title, rows((name, live(f"{prefix}{path}", text(told, path))) for name, path in shown))
        for title, shown in cards
    )
    yield grid(*drawn, *others)
    about = "One event through all of its handlers, sampled."
    yield card("Handlers by event", _handlers(told), wide=True, id_="handlers", note=about)


def _handlers(metrics: Mapping[str, Any]) -> Html:
    told: Mapping[str, Any] = at(metrics, "bus.handlers") or {}
    slowest = sorted(told.items(), key=lambda item: -item[1]["p99_ns"])
    return table(
        ("Event", "Median", "99th percentile"),
        [(name, nanoseconds(times["p50_ns"]), nanoseconds(times["p99_ns"])) for name, times in slowest],
        caption="Handlers by event", numeric=(1, 2), empty="No event was measured yet.",
    )  # fmt: skip


def _alerts(view: View) -> Html:
    """Who is told when something happens, and a button that tries it."""
    settings = view.manager.config.alerts
    heard = len(list(settings.urls))
    if not heard:
        return card(
            "Alerts",
            empty(
                "Nobody is told. Name destinations under alerts in the configuration: mail, chat or a webhook."
            ),
        )
    button = tag("button", "Send a test alert", type="button", data_action="test-alert")
    return card("Alerts", tag("p", f"Destinations: {heard}. Halts go to all of them."), button)


PAGE = Page(name="system", title="System", render=render)
