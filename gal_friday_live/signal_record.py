"""What the journal keeps of a signal: the wish, the verdict with its numbers, and all that the wish rested on."""

from typing import Any

from gal_friday_core.events import Event
from gal_friday_core.payloads import (
    PredictionGenerated,
    TradeSignalApproved,
    TradeSignalProposed,
    TradeSignalRejected,
)
from gal_friday_core.ports import Journal
from gal_friday_core.risk.codes import Approved, Rejected
from gal_friday_live.bus import PubSubManager


class SignalNotes:
    """Notes each signal once its verdict was told: started after whoever sends orders, it holds none of them up."""

    def __init__(self, event_bus: PubSubManager, journal: Journal) -> None:
        self._bus = event_bus
        self._journal = journal
        self._judged: dict[str, tuple[TradeSignalProposed, Approved | Rejected]] = {}
        self._subscriptions: list[str] = []

    async def start(self) -> None:
        self._subscriptions = [
            self._bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_told),
            self._bus.subscribe("TRADE_SIGNAL_REJECTED", self._on_told),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def judged(self, signal: TradeSignalProposed, verdict: Approved | Rejected) -> None:
        """A verdict whose event is on its way; of a signal that is judged again meanwhile, the first."""
        self._judged.setdefault(signal.signal_id, (signal, verdict))

    def _on_told(self, event: Event) -> None:
        told = event.payload
        assert isinstance(told, TradeSignalApproved | TradeSignalRejected)
        judged = self._judged.pop(told.signal_id, None)
        if judged is not None:
            signal, verdict = judged
            record = signal_record(signal, verdict) | {"judged_ns": event.timestamp}
            self._journal.note("SIGNAL", signal.signal_id, signal.data_timestamp, record)


def signal_record(signal: TradeSignalProposed, verdict: Approved | Rejected) -> dict[str, Any]:
    """`prediction` is None for an exit, and holds the whole feature vector, by name, for an entry."""
    cause = signal.triggering_prediction
    return {
        "exchange": signal.exchange,
        "pair": signal.trading_pair,
        "side": signal.side,
        "strategy": signal.strategy_id,
        "model_id": cause.model_id if cause else None,
        "probability": cause.prediction_value if cause else None,
        "prediction": _prediction(cause) if cause else None,
        "entry_type": signal.entry_type,
        "entry_price": signal.proposed_entry_price,
        "expires_at": signal.expires_at,
        "quantity": verdict.quantity if isinstance(verdict, Approved) else None,
        "reference_price": signal.reference_price,
        "stop": signal.proposed_sl_price,
        "target": signal.proposed_tp_price,
        "verdict": "APPROVED" if isinstance(verdict, Approved) else verdict.code,
        "details": verdict.checks if isinstance(verdict, Approved) else dict(verdict.details),
    }


def _prediction(cause: PredictionGenerated) -> dict[str, Any]:
    row = cause.associated_features
    moment = cause.timestamp_prediction_for
    return {
        "key": f"{cause.exchange}:{cause.trading_pair}@{moment}#{cause.model_id}",
        "target": cause.prediction_target,
        "timestamp": moment,
        "schema_hash": row.schema.hash if row is not None else None,
        "features": dict(zip(row.schema.names, row.values.tolist(), strict=True))
        if row is not None
        else None,
    }
