"""JSON Schema (draft 2020-12) of every event as it is spelled on the wire, made from the typed payloads.

Spelling differs from the types inside: money is a string, a time ISO 8601 with nine digits, features an object of
strings in which null means not known. What is here is what `Event.as_dict` writes and `events.from_dict` reads.
"""

from typing import Any, get_args

import msgspec

from gal_friday_core.events import PRIORITY, SCHEMA_KEY, payload_kinds
from gal_friday_core.payloads import PAYLOADS, Payload

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
}
FEATURES = {
    "type": "object",
    "additionalProperties": {"type": ["string", "null"]},
    "description": "Feature name to float64 as text; null: not known",
}
NULL = {"type": "null"}


def event_schema(event_type: str) -> dict[str, Any]:
    """The envelope with that type's payload; self-contained. Raises KeyError for a type that does not exist."""
    text = {"type": "string"}
    return {
        "$schema": DIALECT,
        "title": event_type,
        "type": "object",
        "properties": {
            "event_id": {"type": "string", "description": "UUID of this instance"},
            "event_type": {"const": event_type},
            "timestamp": TIME,
            "source_module": text,
            "priority": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10,
                "default": PRIORITY[event_type],
                "description": "10 is the most urgent",
            },
            "correlation_id": _or_null(text),
            "trace_id": _or_null(text),
            "payload": _payload(PAYLOADS[event_type]),
        },
        "required": ["event_id", "event_type", "timestamp", "source_module", "payload"],
    }


def event_schemas() -> dict[str, dict[str, Any]]:
    """Of every event type of the contract, by name."""
    return {event_type: event_schema(event_type) for event_type in PAYLOADS}


def _payload(payload: type[Payload]) -> dict[str, Any]:
    kinds = payload_kinds(payload)
    fields = msgspec.structs.fields(payload)
    properties = {field.name: _field(field.type, kinds[field.name]) for field in fields}
    if "features" in kinds.values():
        properties[SCHEMA_KEY] = {"type": "string", "description": "Hash of the feature schema"}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }
    description = (payload.__doc__ or "").strip()
    return {"description": " ".join(description.split())} | schema if description else schema


def _field(annotation: Any, kind: Any) -> dict[str, Any]:
    if kind is None:
        (schema,), shared = msgspec.json.schema_components([annotation], ref_template="#/$defs/{name}")
        assert not shared, "payload fields are plain values; nested payloads are told by their kind"
        return dict(schema)
    if kind == "time":
        schema = TIME
    elif kind == "features":
        schema = FEATURES
    else:
        schema = _payload(kind)
    return _or_null(schema) if type(None) in get_args(annotation) else dict(schema)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, NULL]}
