"""The envelope of every event, and the door between typed events and the specification's JSON (000 §3).

Inside, an `Event` carries a frozen payload: Decimal money, int nanoseconds, float64 feature vectors. At the
door (`as_dict`, `to_json`, `decode`, `from_dict`) money is a string, time ISO 8601 with nine digits, and
features a dictionary of strings in which null means not known; `feature_schema` says which schema.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import msgspec
import numpy as np

from gal_friday_core.errors import ContractError, DataError
from gal_friday_core.features.registry import known_sets
from gal_friday_core.features.schema import FeatureSchema, FeatureVector
from gal_friday_core.payloads import PAYLOADS, Nanoseconds, Payload
from gal_friday_core.times import from_iso, to_iso

CONTROL, REPORTS, SIGNALS, DEFAULT, LOG = 10, 8, 6, 5, 0
"""Lanes of urgency: ten is the most urgent; order is kept within a lane."""

PRIORITY = {
    **dict.fromkeys(PAYLOADS, DEFAULT),
    "SYSTEM_STATE_CHANGE": CONTROL,
    "POTENTIAL_HALT_TRIGGER": CONTROL,
    "SYSTEM_ERROR": CONTROL,
    "EXECUTION_REPORT": REPORTS,
    "TRADE_SIGNAL_PROPOSED": SIGNALS,
    "TRADE_SIGNAL_APPROVED": SIGNALS,
    "TRADE_SIGNAL_REJECTED": SIGNALS,
    "LOG_ENTRY": LOG,
}
"""The lane of each event type where the publisher does not say."""

SCHEMA_KEY = "feature_schema"


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An envelope and its payload; `event["payload"]` reads it as the specification's dictionary.

    `correlation_id` is the event at the root of the chain (a market tick); `replayed` marks an event
    that is read back from the journal, which nobody may act on.
    """

    event_id: str
    event_type: str
    timestamp: Nanoseconds
    source_module: str
    payload: Payload
    priority: int = DEFAULT
    correlation_id: str | None = None
    trace_id: str | None = None
    replayed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The specification's form, ready for JSON."""
        return {
            "event_id": self.event_id,
            "event_type": self.event_type,
            "timestamp": to_iso(self.timestamp),
            "source_module": self.source_module,
            "priority": self.priority,
            "correlation_id": self.correlation_id,
            "trace_id": self.trace_id,
            "payload": payload_dict(self.payload),
        }

    def to_json(self) -> bytes:
        return msgspec.json.encode(self.as_dict())

    def __getitem__(self, key: str) -> Any:
        return self.as_dict()[key]


def payload_dict(payload: Payload) -> dict[str, Any]:
    """A payload as the specification writes it."""
    wire: dict[str, Any] = {}
    for name, kind in payload_kinds(type(payload)).items():
        value = getattr(payload, name)
        if value is None or kind is None:
            wire[name] = value if isinstance(value, str | int | float | None) else msgspec.to_builtins(value)
        elif kind == "time":
            wire[name] = to_iso(value)
        elif kind == "features":
            wire[name] = {key: _number(number) for key, number in value}
            wire[SCHEMA_KEY] = value.schema.hash
        else:
            wire[name] = payload_dict(value)
    return wire


def decode(event_type: str, payload: Payload | Mapping[str, Any]) -> Payload:
    """The typed payload, checked once at the door; a typed one passes through untouched.

    Raises ContractError naming the field where `payload` does not fit `event_type`.
    """
    wanted = PAYLOADS.get(event_type) if isinstance(event_type, str) else None
    if wanted is None:
        raise ContractError(f"unknown event type {event_type!r}")
    if type(payload) is wanted:
        return payload
    if not isinstance(payload, Mapping):
        raise ContractError(f"{event_type}: expected {wanted.__name__} or a dictionary")
    return _typed(event_type, wanted, payload)


def from_dict(event: Mapping[str, Any], *, replayed: bool = False) -> Event:
    """The inverse of `Event.as_dict`. Raises ContractError where a field is missing or malformed."""
    try:
        event_type = event["event_type"]
        return Event(
            event_id=str(event["event_id"]),
            event_type=event_type,
            timestamp=_time("timestamp", event["timestamp"]),
            source_module=str(event["source_module"]),
            payload=decode(event_type, event["payload"]),
            priority=_whole("priority", event.get("priority", DEFAULT)),
            correlation_id=event.get("correlation_id"),
            trace_id=event.get("trace_id"),
            replayed=replayed,
        )
    except KeyError as error:
        raise ContractError(f"event without {error.args[0]!r}") from None


def _typed(event_type: str, wanted: type[Payload], payload: Mapping[str, Any]) -> Payload:
    fields = payload_kinds(wanted)
    unknown = payload.keys() - fields.keys() - {SCHEMA_KEY}
    if unknown:
        raise ContractError(f"{event_type}: unknown field {min(unknown)!r}")
    values: dict[str, Any] = {}
    for name, value in payload.items():
        if name == SCHEMA_KEY:
            continue
        values[name] = _inward(event_type, name, fields[name], value, payload)
    try:
        return msgspec.convert(values, wanted, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for half a character
        raise ContractError(f"{event_type}: {error}") from error


def _inward(event_type: str, name: str, kind: Any, value: Any, payload: Mapping[str, Any]) -> Any:
    if value is None or kind is None:
        return value
    if kind == "time":
        return _time(f"{event_type}: {name}", value)
    if kind == "features":
        return value if isinstance(value, FeatureVector) else _vector(event_type, value, payload)
    return value if isinstance(value, kind) else _typed(f"{event_type}.{name}", kind, value)


def _vector(event_type: str, values: Mapping[str, Any], payload: Mapping[str, Any]) -> FeatureVector:
    schema = _schema(event_type, values, payload.get(SCHEMA_KEY))
    try:
        row = [np.nan if values[name] is None else float(values[name]) for name in schema.names]
    except (TypeError, ValueError):
        raise ContractError(f"{event_type}: a feature is not a number") from None
    return FeatureVector(schema, np.array(row, dtype=np.float64))


def _schema(event_type: str, values: Mapping[str, Any], wanted: str | None) -> FeatureSchema:
    for known in known_sets():
        if wanted in (None, known.hash) and set(known.names) == values.keys():
            return known
    raise ContractError(
        f"{event_type}: the features are of no schema known here (hash {wanted or 'not given'})"
    )


def _time(what: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(what, value)
    try:
        return from_iso(str(value))
    except DataError as error:
        raise ContractError(f"{what}: {error}") from None


_BEYOND = 2**63


def _whole(what: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = _BEYOND
    if not -_BEYOND <= number < _BEYOND:
        raise ContractError(f"event: {what} is not a whole number of 64 bits")
    return number


def _number(value: float) -> str | None:
    return None if value != value else repr(value)  # noqa: PLR0124 - only NaN differs from itself


@cache
def payload_kinds(payload_type: type[Payload]) -> dict[str, Any]:
    """How each field is spelled: 'time', 'features', a nested payload type, or None where msgspec's form is right."""
    return {field.name: _kind(field.type) for field in msgspec.structs.fields(payload_type)}


def _kind(annotation: Any) -> Any:
    for option in (annotation, *get_args(annotation)):
        if option == Nanoseconds:
            return "time"
        if option is FeatureVector:
            return "features"
        if isinstance(option, type) and issubclass(option, Payload):
            return option
    return None
