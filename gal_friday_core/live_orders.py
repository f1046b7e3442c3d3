"""What live engines recorded of orders: their events, their fills, and how long each step took.

Entry points: `order_events`, `fills_of`, `latencies_of`. Amounts stay the digits that were written.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gal_friday_core.errors import DataError
from gal_friday_core.live_records import UNNOTED, Line

SIGNAL, INTENT, REPORT, FILL = "SIGNAL", "ORDER_INTENT", "EXECUTION_REPORT", "FILL"
QUOTE = "ORDER_QUOTE"
TOLD = (SIGNAL, INTENT, QUOTE, REPORT, FILL)
SIMULATED_TIME = frozenset({"paper-replay", "backtest"})
"""Modes whose times are those of a simulated clock, to which the database's say nothing."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was meant."""

    client_order_id: str
    signal_id: str
    side: str
    order_type: str
    purpose: str
    quantity: str
    created_at: int
    limit_price: str | None = None
    trigger_price: str | None = None
    stop_price: str | None = None
    target_price: str | None = None
    parent: str | None = None
    model_id: str | None = None


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What the pair stood at when an order left: the middle of the book, or the trade of `known_ns`."""

    price: str
    source: str
    known_ns: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange, or the engine itself, said of an order."""

    client_order_id: str
    signal_id: str
    order_status: str
    order_type: str
    side: str
    quantity_ordered: str
    quantity_filled: str
    timestamp_exchange: int
    average_fill_price: str | None = None
    exchange_order_id: str | None = None
    error_message: str | None = None
    execution_id: str | None = None


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as it was booked, with position and cash after it."""

    client_order_id: str
    signal_id: str
    side: str
    order_type: str
    pair: str
    quantity: str
    price: str
    realized: str
    position_quantity: str
    position_cost: str
    cash: str
    fee: str | None = None
    fee_asset: str | None = None


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A wish and its verdict."""

    side: str
    verdict: str
    reference_price: str
    model_id: str | None = None
    probability: float | None = None
    quantity: str | None = None
    prediction: dict[str, Any] | None = None
    judged_ns: int = UNNOTED


_READERS: dict[str, "msgspec.json.Decoder[Any]"] = {
    SIGNAL: msgspec.json.Decoder(Signal),
    INTENT: msgspec.json.Decoder(Intent),
    QUOTE: msgspec.json.Decoder(Quote),
    REPORT: msgspec.json.Decoder(Report),
    FILL: msgspec.json.Decoder(Fill),
}


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order's life: `event` is INTENT, or the status that was reported."""

    session: str
    mode: str
    ts_ns: int
    event: str
    client_order_id: str
    signal_id: str
    side: str
    order_type: str
    quantity: str
    filled: str
    price: str
    purpose: str
    model_id: str
    exchange_order_id: str
    message: str


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One execution; `execution_id` is the exchange's."""

    session: str
    mode: str
    ts_ns: int
    execution_id: str
    client_order_id: str
    signal_id: str
    purpose: str
    side: str
    quantity: str
    price: str
    fee: str
    fee_asset: str
    realized: str
    position_quantity: str
    position_cost: str
    cash: str


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The way of one order, in ns UTC by the engine's clock, `UNNOTED` where nobody noted a step.

    `closed_ns` the bar's close that was decided on; `features_ns` its features were there; `scored_ns` the prediction; `judged_ns`
    risk had its verdict; `meant_ns` the order was made; `durable_ns` its intent stood in the database (by the database's clock),
    behind which it is sent at once; `acknowledged_ns` and `filled_ns` by the exchange's clock.
    """

    session: str
    mode: str
    client_order_id: str
    signal_id: str
    purpose: str
    closed_ns: int
    features_ns: int
    scored_ns: int
    judged_ns: int
    meant_ns: int
    durable_ns: int
    acknowledged_ns: int
    filled_ns: int


STEPS = (
    "closed_ns",
    "features_ns",
    "scored_ns",
    "judged_ns",
    "meant_ns",
    "durable_ns",
    "acknowledged_ns",
    "filled_ns",
)


def read(line: Line) -> Any:
    """The record of a line of the kinds `TOLD`. Raises DataError for one that cannot be read."""
    try:
        return _READERS[line.kind].decode(line.record)
    except msgspec.MsgspecError as error:
        raise DataError(f"journal {line.kind} {line.key} of session {line.session}: {error}") from None


def order_events(lines: Iterable[Line]) -> list[OrderEvent]:
    """Intents and reports in the order written."""
    intents: dict[tuple[str, str], Intent] = {}
    found = []
    for line in lines:
        if line.kind == INTENT:
            intent = read(line)
            intents[line.session, intent.client_order_id] = intent
            found.append(_of_intent(line, intent))
        elif line.kind == REPORT:
            report = read(line)
            found.append(_of_report(line, report, intents.get((line.session, report.client_order_id))))
    return found


def fills_of(lines: Iterable[Line]) -> list[FillRow]:
    """Executions in the order booked."""
    purposes: dict[tuple[str, str], str] = {}
    found = []
    for line in lines:
        if line.kind == INTENT:
            intent = read(line)
            purposes[line.session, intent.client_order_id] = intent.purpose
        elif line.kind == FILL:
            found.append(_of_fill(line, read(line), purposes))
    return found


def latencies_of(lines: Sequence[Line], scored: dict[tuple[str, int, str], tuple[int, int]]) -> list[Latency]:
    """Of every order that was meant; `scored` says by (session, moment, model) when features came and the prediction was."""
    signals = {(line.session, line.key): (line, read(line)) for line in lines if line.kind == SIGNAL}
    told: dict[tuple[str, str], list[Report]] = {}
    for line in lines:
        if line.kind == REPORT:
            report = read(line)
            told.setdefault((line.session, report.client_order_id), []).append(report)
    return [
        _latency(line, read(line), signals, told, scored) for line in lines if line.kind == INTENT
    ]  # fmt: skip


def _of_fill(line: Line, fill: Fill, purposes: dict[tuple[str, str], str]) -> FillRow:
    return FillRow(
        session=line.session, mode=line.mode, ts_ns=line.ts_ns, execution_id=line.key,
        client_order_id=fill.client_order_id, signal_id=fill.signal_id,
        purpose=purposes.get((line.session, fill.client_order_id), ""), side=fill.side, quantity=fill.quantity,
        price=fill.price, fee=fill.fee or "0", fee_asset=fill.fee_asset or "", realized=fill.realized,
        position_quantity=fill.position_quantity, position_cost=fill.position_cost, cash=fill.cash,
    )  # fmt: skip


def _latency(
    line: Line,
    intent: Intent,
    signals: dict[tuple[str, str], tuple[Line, Signal]],
    told: dict[tuple[str, str], list[Report]],
    scored: dict[tuple[str, int, str], tuple[int, int]],
) -> Latency:
    caused = signals.get((line.session, intent.signal_id)) if intent.parent is None else None
    closed, judged, known = UNNOTED, UNNOTED, (UNNOTED, UNNOTED)
    if caused is not None:
        closed, judged = caused[0].ts_ns, caused[1].judged_ns
        known = scored.get((line.session, closed, caused[1].model_id or ""), known)
    reports = told.get((line.session, intent.client_order_id), [])
    return Latency(
        session=line.session, mode=line.mode, client_order_id=intent.client_order_id, signal_id=intent.signal_id,
        purpose=intent.purpose, closed_ns=closed, features_ns=known[0], scored_ns=known[1], judged_ns=judged,
        meant_ns=intent.created_at, durable_ns=UNNOTED if line.mode in SIMULATED_TIME else line.recorded_ns,
        acknowledged_ns=_first(report.timestamp_exchange for report in reports if report.order_status == "NEW"),
        filled_ns=_first(report.timestamp_exchange for report in reports if report.execution_id is not None),
    )  # fmt: skip


def _first(times: Iterable[int]) -> int:
    return min(times, default=UNNOTED)


def _of_intent(line: Line, intent: Intent) -> OrderEvent:
    return OrderEvent(
        session=line.session, mode=line.mode, ts_ns=line.ts_ns, event="INTENT", client_order_id=intent.client_order_id,
        signal_id=intent.signal_id, side=intent.side, order_type=intent.order_type, quantity=intent.quantity,
        filled="0", price=intent.limit_price or intent.trigger_price or "", purpose=intent.purpose,
        model_id=intent.model_id or "", exchange_order_id="", message="",
    )  # fmt: skip


def _of_report(line: Line, report: Report, intent: Intent | None) -> OrderEvent:
    return OrderEvent(
        session=line.session, mode=line.mode, ts_ns=line.ts_ns, event=report.order_status,
        client_order_id=report.client_order_id, signal_id=report.signal_id, side=report.side,
        order_type=report.order_type, quantity=report.quantity_ordered, filled=report.quantity_filled,
        price=report.average_fill_price or "", purpose="" if intent is None else intent.purpose,
        model_id="" if intent is None else intent.model_id or "",
        exchange_order_id=report.exchange_order_id or "", message=report.error_message or "",
    )  # fmt: skip
