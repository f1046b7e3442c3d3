"""Every number that an engine tells of itself: its name, unit and meaning, once for all who carry or draw it.

A metric is a field of a measurement, as InfluxDB has it, and `measurement_field` is its name for Prometheus (and
what VictoriaMetrics makes of such a point). It has one label at most besides those of the engine. Readings are
nested by measurement, field and the label's value: `READINGS[measurement][field]` is a number, or numbers by label.
Times are seconds, sizes bytes, shares of one, money the quote currency.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

Value = float | Mapping[str, float]
Readings = Mapping[str, Mapping[str, Value]]


class Metric(NamedTuple):
    """One number. A counter only grows while its process lives; everything else is a gauge."""

    measurement: str
    field: str
    unit: str
    help: str
    label: str = ""

    @property
    def name(self) -> str:
        return f"{self.measurement}_{self.field}"

    @property
    def is_counter(self) -> bool:
        return self.field.endswith("_total")


class Told(NamedTuple):
    """All numbers of one engine, and the labels that tell it from others."""

    readings: Readings
    labels: Mapping[str, str]


class Point(NamedTuple):
    """What one label's value (or none) has in one measurement, as a time series takes it."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float]


def _of(measurement: str, *rows: tuple[str, str, str] | tuple[str, str, str, str]) -> Iterator[Metric]:
    return (Metric(measurement, *row) for row in rows)


METRICS: Final[tuple[Metric, ...]] = (
    *_of(
        "portfolio_metrics",
        ("equity", "quote", "What the account is worth: cash and positions at their last prices"),
        ("cash", "quote", "Cash, reserved cash included"),
        ("realized_pnl", "quote", "Profit on what was closed, before fees"),
        ("unrealized_pnl", "quote", "Profit on what is open, before fees"),
        ("fees", "quote", "Fees paid so far"),
        ("exposure", "share", "Value of the positions as a share of equity"),
        ("daily_drawdown", "share", "Fall from today's highest equity, as a share of it"),
        ("weekly_drawdown", "share", "Fall from this week's highest equity, as a share of it"),
        ("total_drawdown", "share", "Fall from the highest equity ever, as a share of it"),
        ("open_positions", "positions", "Pairs with a position"),
        ("open_orders", "orders", "Orders that something may still become of, protective stops included"),
    ),
    *_of(
        "gal_friday_position",
        ("quantity", "base", "What is held of the pair, signed", "pair"),
        ("value", "quote", "What that is worth at the last price", "pair"),
    ),
    *_of(
        "gal_friday_engine",
        ("uptime_seconds", "s", "Since the engine was built"),
        ("halted", "0 or 1", "Whether trading is halted"),
        ("halt_reasons_total", "reasons", "Reasons to halt that came, halted already or not"),
        ("gate_blocks", "blocks", "Reasons that keep entries back now"),
        ("findings", "findings", "Readings of its health beyond a limit now"),
        ("bars_total", "bars", "Closed bars taken from the market"),
        ("predictions_total", "predictions", "Predictions made"),
        ("signals_proposed_total", "signals", "Trades that a strategy proposed"),
        ("signals_approved_total", "signals", "Trades that passed the risk check"),
        ("signals_rejected_total", "signals", "Trades that the risk check refused, by reason", "code"),
        ("orders_sent_total", "orders", "Orders handed to the exchange"),
        ("orders_refused_total", "orders", "Orders that were not sent, or that the exchange refused, by reason", "code"),
        ("orders_unknown", "orders", "Orders whose outcome nobody knows now"),
        ("reports_total", "reports", "Execution reports taken in"),
        ("anomalies_total", "reports", "Reports that should not have been, by kind", "code"),
        ("fills_total", "fills", "Fills booked"),
    ),
    *_of(
        "gal_friday_order_path",
        ("send_p50_seconds", "s", "From approved signal to the order's bytes, its durable intent included: median of the last 512"),
        ("send_p99_seconds", "s", "The same, 99th percentile"),
        ("answer_p50_seconds", "s", "From the bytes to the exchange's first word of the order: median of the last 512"),
        ("answer_p99_seconds", "s", "The same, 99th percentile"),
    ),
    *_of(
        "gal_friday_feed",
        ("connected", "0 or 1", "Whether the line to the market stands"),
        ("heard_age_seconds", "s", "Since anything was heard from the market; absent where a feed tells no times"),
        ("unusable", "0 or 1", "Whether no decision may rest on the pair's market now", "pair"),
        ("missed_trades_total", "trades", "Trades that the numbering shows were never told"),
        ("bars_refused_total", "bars", "Bars that were not new closed ones, by reason", "code"),
        ("books_invalid_total", "books", "Order books thrown away, by reason", "code"),
    ),
    *_of(
        "gal_friday_bus",
        ("delivered_total", "events", "Events delivered"),
        ("dropped_total", "events", "Events that a full lane lost"),
        ("superseded_total", "events", "Market data that newer data took the place of"),
        ("failed_total", "handlers", "Handlers that raised"),
        ("backlog", "events", "Events that wait now"),
        ("handler_p50_seconds", "s", "An event through all of its handlers, sampled: median"),
        ("handler_p99_seconds", "s", "The same, 99th percentile"),
    ),
    *_of(
        "gal_friday_loop",
        ("lag_p50_seconds", "s", "How late the event loop calls what is due: median of the last minute"),
        ("lag_p99_seconds", "s", "The same, 99th percentile"),
        ("lag_max_seconds", "s", "The same, the worst"),
    ),
    *_of(
        "gal_friday_inference",
        ("p50_seconds", "s", "One prediction: median", "model"),
        ("p99_seconds", "s", "The same, 99th percentile", "model"),
    ),
    *_of(
        "gal_friday_journal",
        ("waiting", "records", "Records that wait to be made durable, and notes that wait to be written"),
        ("notes_written_total", "notes", "Notes written"),
        ("notes_dropped_total", "notes", "Notes lost: the queue was full, or they cannot be written"),
        ("write_failures_total", "writes", "Batches of notes that the database refused; they are tried again"),
    ),
    *_of(
        "gal_friday_database",
        ("pool_connections", "connections", "Connections that the pool has"),
        ("pool_idle", "connections", "Connections that nobody uses now"),
        ("pool_waiting", "callers", "Callers that wait for a connection now"),
        ("requests_total", "requests", "Connections asked for"),
        ("requests_waited_total", "requests", "Of them those that had to wait"),
        ("wait_seconds_total", "s", "Time that they waited, together"),
        ("request_errors_total", "requests", "Of them those that got none in time"),
        ("statements_total", "statements", "Statements executed"),
        ("statement_seconds_total", "s", "Time that they took, together"),
    ),
    *_of(
        "gal_friday_gc",
        ("collections_total", "collections", "Garbage collections, by generation", "generation"),
        ("pause_seconds_total", "s", "Time that they stopped the process, by generation", "generation"),
        ("pause_max_seconds", "s", "The longest of them so far, by generation", "generation"),
        ("frozen_objects", "objects", "Objects that the collector leaves alone"),
    ),
    *_of(
        "gal_friday_process",
        ("resident_bytes", "bytes", "Memory that the process holds"),
        ("cpu_seconds_total", "s", "Processor time of the process"),
        ("threads", "threads", "Threads of the process"),
        ("open_files", "files", "Open files and sockets of the process"),
    ),
    *_of(
        "gal_friday_health",
        ("clock_offset_seconds", "s", "By how much this machine's clock certainly differs from the exchange's"),
        ("free_disk_bytes", "bytes", "Free space where the data are"),
        ("database_silent_seconds", "s", "For how long the database has not answered"),
    ),
    *_of(
        "gal_friday_cache",
        ("hits_total", "lookups", "Answers that a cache had", "cache"),
        ("misses_total", "lookups", "Answers that had to be found", "cache"),
    ),
    *_of(
        "gal_friday_strands",
        ("waiting", "strands", "Strands in the role's inbox that are not handled yet"),
        ("oldest_seconds", "s", "For how long the oldest of them waits"),
        ("handled_p50_seconds", "s", "From a strand's writing to the end of its handling: median of the latest"),
        ("handled_p99_seconds", "s", "The same, 99th percentile"),
        ("looked_age_seconds", "s", "Since the inbox was looked into"),
        ("done_total", "strands", "Strands handled"),
        ("failed_total", "strands", "Of them those that were marked as failed"),
        ("expired_total", "strands", "Strands whose time was over"),
        ("retried_total", "tries", "Strands that were put off to be tried again"),
        ("reconnected_total", "times", "How often the database was lost and found again"),
    ),
    *_of(
        "gal_friday_dashboard",
        ("silent", "0 or 1", "Whether one of several engines or roles that the dashboard asks does not answer", "engine"),
    ),
    *_of(
        "gal_friday_outbox",
        ("written_total", "items", "Log lines and points written, by destination", "destination"),
        ("waiting", "items", "Of them those that wait", "destination"),
        ("lost_total", "items", "Of them those that were dropped or refused for good", "destination"),
        ("failures_total", "writes", "Writes that failed and were tried again", "destination"),
    ),
)  # fmt: skip

BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in METRICS}


def points(readings: Readings, labels: Mapping[str, str]) -> Iterator[Point]:
    """Readings as a time series takes them, each with the engine's `labels`; what is not finite is left out."""
    for measurement, fields in readings.items():
        by_tag: dict[tuple[str, str], dict[str, float]] = {}
        for field, tag, value in _values(measurement, fields):
            by_tag.setdefault(tag, {})[field] = value
        for (label, of), found in by_tag.items():
            yield Point(measurement, {**labels, label: of} if label else dict(labels), found)


def prometheus_text(engines: Sequence[Told]) -> str:
    """Their readings in the text format of Prometheus, version 0.0.4, in the order of `METRICS`; ends with a newline.

    What several engines tell of one metric stands together, as the format asks.
    """
    lines = []
    for metric in METRICS:
        found = [line for told in engines for line in _samples(metric, told)]
        if found:
            kind = "counter" if metric.is_counter else "gauge"
            lines += [
                f"# HELP {metric.name} {metric.help} ({metric.unit})",
                f"# TYPE {metric.name} {kind}",
                *found,
            ]
    return "".join(f"{line}\n" for line in lines)


def _samples(metric: Metric, told: Told) -> Iterator[str]:
    fields = told.readings.get(metric.measurement, {})
    if metric.field in fields:
        for _, (label, of), value in _values(metric.measurement, {metric.field: fields[metric.field]}):
            labels = {**told.labels, **({label: of} if label else {})}
            yield f"{metric.name}{_labels(labels)} {value!r}"


def _values(measurement: str, fields: Mapping[str, Value]) -> Iterator[tuple[str, tuple[str, str], float]]:
    """Field, label with its value (empty where it has none), and number. Raises KeyError for no metric of ours."""
    for field, value in fields.items():
        label = BY_NAME[f"{measurement}_{field}"].label
        for of, number in value.items() if isinstance(value, Mapping) else (("", value),):
            if math.isfinite(number):
                yield field, (label if of else "", of), float(number)


def _labels(labels: Mapping[str, str]) -> str:
    r"""The labels of a sample, escaped as the text format asks.

    >>> print(_labels({"why": 'a "b"'}))
    {why="a \"b\""}
    """
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    inside = ",".join(f'{name}="{value}"' for name, value in escaped.items())
    return f"{{{inside}}}" if inside else ""


def reference() -> str:
    """All of them as a Markdown table for each measurement."""
    told = []
    for measurement in dict.fromkeys(metric.measurement for metric in METRICS):
        rows = [metric for metric in METRICS if metric.measurement == measurement]
        told += [f"### {measurement}", "", "| Name | Unit | By | What it says |", "|---|---|---|---|"]
        told += [f"| `{row.name}` | {row.unit} | {row.label} | {row.help} |" for row in rows]
        told.append("")
    return "\n".join(told)
