"""Why an order was placed: from the order back over signal, prediction and model to the data and the code.

It reads the database alone, so that an order can be explained whether its engine runs, ended or was killed.
"""

from collections.abc import Mapping
from typing import Any

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.order_records import OrderRecords, Row
from gal_friday_core.blotter import EXTERNAL
from gal_friday_core.errors import RegistryError
from gal_friday_core.features.registry import set_of
from gal_friday_core.times import to_iso
from gal_friday_live.intents import PROVENANCE

EXCHANGE_MADE = ("-SL", "-TP")
"""How the id of an order goes on that the exchange made for an entry of ours."""

TIMES = frozenset({"created_at", "expires_at", "deadline", "timestamp_exchange"})
"""Fields of journal records that hold nanoseconds."""


async def explain(database: Database, order: str) -> dict[str, Any]:
    """The chain behind an order, by our id or the exchange's; JSON-able.

    `missing` names each link that the database does not hold, and why. Raises RegistryError for an order that
    nobody here knows, StorageError where the database does not answer.
    """
    records = OrderRecords(database)
    intent = await _intent(records, order)
    if intent is None:
        name = await records.by_exchange_id(order)
        if name is None:
            raise RegistryError(
                f"no order {order} in the journal: gal-friday orders --all lists those of the engine"
            )
        if name.startswith(EXTERNAL):
            return {"client_order_id": name, "exchange_order_id": order, "origin": "somebody else placed it"}
        return await explain(database, name)
    return await _chain(records, order, intent)


async def _intent(records: OrderRecords, order: str) -> Row | None:
    """The order's own intent, or that of the entry which the exchange made it for."""
    intent = await records.entry("ORDER_INTENT", order)
    for mark in EXCHANGE_MADE:
        if intent is None and mark in order:
            intent = await records.entry("ORDER_INTENT", order.partition(mark)[0])
    return intent


async def _chain(records: OrderRecords, order: str, intent: Row) -> dict[str, Any]:
    sent, session = intent["record"], intent["session"]
    reports = await records.of_order("EXECUTION_REPORT", session, order)
    fills = await records.of_order("FILL", session, order)
    cause = await _cause(records, intent)
    signal = await records.entry("SIGNAL", cause["signal_id"]) if cause["signal_id"] else None
    model_id = (signal["record"].get("model_id") if signal else None) or cause.get("model_id")
    model = await records.model(model_id) if model_id else None
    prediction = (signal["record"].get("prediction") if signal else None) or {}
    known = {name: cause.get(name) for name in PROVENANCE}
    return {
        "client_order_id": order,
        "exchange_order_id": next((row["record"]["exchange_order_id"] for row in reversed(reports)), None),
        "signal_id": sent["signal_id"] or cause["signal_id"],
        "model_id": model_id,
        "sha256": known["artifact_sha256"] or (model["artifact"] if model else None),
        "features": _in_order(prediction.get("features"), prediction.get("schema_hash")),
        "feature_schema_hash": known["feature_schema_hash"] or prediction.get("schema_hash"),
        "data_version": model["data_version"] if model else known["data_version"],
        "code_version": known["code_version"] or intent["code_version"],
        "config_hash": known["config_hash"] or intent["config_hash"],
        "session": session,
        "mode": intent["mode"],
        "sent_at": to_iso(intent["ts_ns"]),
        "order": _dated(sent),
        "reports": [_at(row) for row in reports],
        "fills": [_at(row) for row in fills],
        "entry": cause["client_order_id"] if cause["client_order_id"] != order else None,
        "signal": _at(signal) if signal else None,
        "prediction": await _prediction(records, signal, prediction),
        "model": _model(model) if model else None,
        "missing": _missing(signal, model, prediction),
    }


async def _cause(records: OrderRecords, intent: Row) -> Mapping[str, Any]:
    """The intent of the entry behind an order: its own, its parent's, or that of the position which it sells."""
    own = intent["record"]
    if own["side"] == "BUY":
        return dict(own)
    entry = own.get("parent") or await records.entry_before(
        intent["session"], own["trading_pair"], intent["ts_ns"]
    )
    found = await records.entry("ORDER_INTENT", entry) if entry else None
    return dict(found["record"]) if found else dict(own)


async def _prediction(
    records: OrderRecords, signal: Row | None, told: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The journalled prediction, completed by what the signal says of it."""
    if signal is None or not told:
        return None
    noted = await records.entry("PREDICTION", str(told.get("key")))
    value = signal["record"].get("probability")
    own = noted["record"] if noted else {}
    moment = told.get("timestamp")
    return {
        **own,
        "probability": value,
        "target": told.get("target"),
        "made_for": to_iso(moment) if isinstance(moment, int) else moment,
    }


def _in_order(features: Mapping[str, float] | None, schema_hash: str | None) -> dict[str, float] | None:
    """The vector in its schema's order, which the database does not keep."""
    if features is None:
        return None
    schema = set_of(schema_hash) if schema_hash is not None else None
    return dict(features) if schema is None else {name: features[name] for name in schema.names}


def _model(row: Row) -> dict[str, Any]:
    return {
        "model_id": row["model_id"],
        "sha256": row["artifact"],
        "schema_hash": row["schema_hash"],
        "data_version": row["data_version"],
        "code_version": row["code_version"],
        "config_hash": row["config_hash"],
        "verdict": {"passed": row["passed"], "reasons": row["reasons"]},
        "data": row["metadata"].get("data"),
        "seed": row["metadata"].get("seed"),
        "registered_at": row["created_at"].isoformat(),
    }


def _missing(signal: Row | None, model: Row | None, prediction: Mapping[str, Any]) -> list[str]:
    links = []
    if signal is None:
        links.append(
            "signal: not journalled (the order has none, or the engine was killed within its last moments)"
        )
    elif not prediction:
        links.append("prediction: the signal names none")
    if model is None:
        links.append("model: not in this database's registry")
    return links


def _at(row: Row) -> dict[str, Any]:
    return {"at": to_iso(row["ts_ns"]), "key": row["key"], **_dated(row["record"])}


def _dated(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its times as everybody reads them."""
    return {
        name: to_iso(value) if name in TIMES and isinstance(value, int) else value
        for name, value in record.items()
    }
