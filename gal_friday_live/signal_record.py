"""What the journal keeps of a signal: the wish, the verdict with its numbers, and all that the wish rested on."""

from typing import Any

from gal_friday_core.payloads import PredictionGenerated, TradeSignalProposed
from gal_friday_core.risk.codes import Approved, Rejected


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
