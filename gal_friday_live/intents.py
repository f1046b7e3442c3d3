"""The intent of an order as the journal keeps it: the whole order, and which model, data and code it came from."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from gal_friday_core.orders import Order

KIND = "ORDER_INTENT"
PROVENANCE = (
    "model_id",
    "artifact_sha256",
    "data_version",
    "code_version",
    "config_hash",
    "feature_schema_hash",
)
"""In every intent; None where it is not known."""

_NOTHING: Mapping[str, str | None] = dict.fromkeys(PROVENANCE)


class Provenance(Protocol):
    """Who can say what led to a signal."""

    def of(self, signal_id: str) -> Mapping[str, str | None]:
        """The fields of `PROVENANCE` that are known of the signal."""
        ...


class UnknownProvenance:
    """Where nobody keeps account of it: tests, and engines without a registry."""

    def of(self, signal_id: str) -> Mapping[str, str | None]:
        del signal_id
        return _NOTHING


def intent_of(order: Order, known: Mapping[str, str | None]) -> dict[str, Any]:
    """The record under the key `order.client_order_id`."""
    record = msgspec.structs.asdict(order)
    record.update(_NOTHING)
    record.update(known)
    return record
