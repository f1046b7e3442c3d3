"""The journal as events again: what `EnhancedEventBus.replay_events` reads.

The journal keeps predictions, signals with their verdicts, execution reports, states and model swaps. Order
intents and fills are records, not events: what came of them is told by the reports. Market data is not
journalled; it is replayed from recorded sessions.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from gal_friday_core.events import PRIORITY
from gal_friday_core.journal import JournalEntry
from gal_friday_core.times import to_iso
from gal_friday_live.bus import RecordSource
from gal_friday_live.ids import derived
from gal_friday_live.journal_writer import SessionJournal

Told = Iterator[tuple[str, str, Mapping[str, Any]]]
"""Event type, source module, payload."""


def records_of(journal: SessionJournal) -> RecordSource:
    """Events of this journal's session by time; those of one instant in the order of cause and effect, since
    buffered notes may be written behind what came of them.
    """

    async def records(start_ns: int, end_ns: int) -> AsyncGenerator[Mapping[str, Any], None]:
        async with aclosing(journal.between(start_ns, end_ns)) as entries:
            instant: list[JournalEntry] = []
            async for entry in entries:
                if instant and instant[0].ts_ns != entry.ts_ns:
                    for event in _told_at(instant):
                        yield event
                    instant = []
                instant.append(entry)
            for event in _told_at(instant):
                yield event

    return records


def _told_at(instant: list[JournalEntry]) -> Iterator[dict[str, Any]]:
    for entry in sorted(instant, key=lambda entry: _ORDER.get(entry.kind, len(_ORDER))):
        for told in events_of(entry):
            yield _envelope(entry, *told)


def _envelope(
    entry: JournalEntry, event_type: str, source: str, payload: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "event_id": derived("event", entry.session, entry.kind, entry.key, event_type),
        "event_type": event_type,
        "timestamp": to_iso(entry.ts_ns),
        "source_module": source,
        "priority": PRIORITY[event_type],
        "correlation_id": None,
        "trace_id": None,
        "payload": payload,
    }


def events_of(entry: JournalEntry) -> Told:
    """What one line of the journal told when it happened; nothing for lines that were never events."""
    told = _TELLERS.get(entry.kind)
    return told(entry) if told is not None else iter(())


def _report(entry: JournalEntry) -> Told:
    yield "EXECUTION_REPORT", "ExecutionHandler", entry.record


def _state(entry: JournalEntry) -> Told:
    record = entry.record
    payload = {
        "new_state": record["state"],
        "reason": record["reason"],
        "halt_action": record["halt_action"],
    }
    yield "SYSTEM_STATE_CHANGE", "MonitoringService", payload


def _swap(entry: JournalEntry) -> Told:
    record = entry.record
    payload = {
        "model_id": record["model_id"],
        "action": record.get("action", "DEPLOYED"),  # older journals know only arrivals
        "stage": record["stage"],
        "version": record["version"],
        "metadata": record,
    }
    yield "MODEL_LIFECYCLE", "PredictionService", payload


def _prediction(entry: JournalEntry) -> Told:
    record = entry.record
    payload = {
        "trading_pair": record["pair"],
        "exchange": record["exchange"],
        "timestamp_prediction_for": entry.ts_ns,
        "model_id": record["model_id"],
        "prediction_target": record["target"],
        "prediction_value": record["value"],
        "reference_price": record["price"],
    }
    yield "PREDICTION_GENERATED", "PredictionService", payload


def _signal(entry: JournalEntry) -> Told:
    """A signal and its verdict are one line: two events."""
    record = entry.record
    known = {
        "signal_id": entry.key,
        "trading_pair": record["pair"],
        "exchange": record["exchange"],
        "side": record["side"],
    }
    timing = {
        "reference_price": record["reference_price"],
        "data_timestamp": entry.ts_ns,
        "expires_at": record["expires_at"],
    }
    proposed = {
        "entry_type": record["entry_type"],
        "strategy_id": record["strategy"],
        "proposed_entry_price": record["entry_price"],
        "proposed_sl_price": record["stop"],
        "proposed_tp_price": record["target"],
    }
    yield "TRADE_SIGNAL_PROPOSED", "StrategyArbitrator", known | timing | proposed
    if record["verdict"] != "APPROVED":
        refused = {"reason": record["verdict"], "details": record["details"]}
        yield "TRADE_SIGNAL_REJECTED", "RiskManager", known | refused
        return
    approved = {
        "order_type": record["entry_type"],
        "quantity": record["quantity"],
        "risk_parameters": record["details"],
        "limit_price": record["entry_price"],
        "sl_price": record["stop"],
        "tp_price": record["target"],
    }
    yield "TRADE_SIGNAL_APPROVED", "RiskManager", known | timing | approved


_TELLERS: Mapping[str, Callable[[JournalEntry], Told]] = {
    "MODEL_SWAP": _swap,
    "PREDICTION": _prediction,
    "SIGNAL": _signal,
    "EXECUTION_REPORT": _report,
    "SYSTEM_STATE": _state,
}
_ORDER = {kind: number for number, kind in enumerate(_TELLERS)}
"""Cause before effect."""
