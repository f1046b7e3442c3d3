"""The printed schemas: every event and field of the contract, and true of what is really written."""

import copy
import json
import re
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gal_friday_core import payloads
from gal_friday_core.event_schemas import event_schema, event_schemas
from gal_friday_core.events import PRIORITY, Event, from_dict
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.payloads import PAYLOADS

CONTRACT = json.loads((Path(__file__).parents[1] / "live" / "contract.json").read_text(encoding="utf-8"))
NOW = 1_700_000_000_123_456_789
ROW = FeatureVector(CANDLES_V1, np.append(np.arange(len(CANDLES_V1) - 1) / 7, np.nan))
MARKET = {"trading_pair": "BTC/USD", "exchange": "kraken"}
TERMS = {
    "reference_price": Decimal("963.370"), "data_timestamp": NOW, "expires_at": NOW + 1,
}  # fmt: skip
PREDICTION = payloads.PredictionGenerated(
    **MARKET, timestamp_prediction_for=NOW, model_id="m@v1", prediction_target="t", prediction_value=0.625,
    confidence=0.5, associated_features=ROW, reference_price=Decimal("1.10"),
)  # fmt: skip
EXAMPLES = {
    "MARKET_DATA_L2": payloads.MarketDataL2(
        **MARKET, bids=((Decimal("1.10"), Decimal("0E-8")),), asks=(), is_snapshot=True, timestamp_exchange=NOW,
        checksum=1, depth=10, sequence=2, timestamp_received=NOW,
    ),
    "MARKET_DATA_OHLCV": payloads.MarketDataOHLCV(
        **MARKET, interval="1m", timestamp_bar_start=NOW, open=Decimal(1), high=Decimal(2), low=Decimal("0.50"),
        close=Decimal(1), volume=Decimal(3), closed=False, trades=4,
    ),
    "MARKET_DATA_TRADE": payloads.MarketDataTrade(
        **MARKET, trade_id="7", side="SELL", price=Decimal("1.1"), volume=Decimal(1), timestamp_exchange=NOW
    ),
    "FEATURES_CALCULATED": payloads.FeaturesCalculated(
        **MARKET, timestamp_features_for=NOW, features=ROW, reference_price=Decimal(1)
    ),
    "PREDICTION_GENERATED": PREDICTION,
    "TRADE_SIGNAL_PROPOSED": payloads.TradeSignalProposed(
        **MARKET, **TERMS, signal_id="s", side="BUY", entry_type="LIMIT", strategy_id="threshold",
        proposed_entry_price=Decimal(1), proposed_sl_price=Decimal("0.9"), proposed_tp_price=Decimal("1.1"),
        triggering_prediction=PREDICTION,
    ),
    "TRADE_SIGNAL_APPROVED": payloads.TradeSignalApproved(
        **MARKET, **TERMS, signal_id="s", side="BUY", order_type="LIMIT", quantity=Decimal("0.5"),
        risk_parameters={"max_exposure_ok": True}, limit_price=Decimal(1), sl_price=Decimal("0.9"),
        tp_price=Decimal("1.1"),
    ),
    "TRADE_SIGNAL_REJECTED": payloads.TradeSignalRejected(
        **MARKET, signal_id="s", side="SELL", reason="EXCEEDS_MAX_EXPOSURE", details={"exposure": "0.3"}
    ),
    "EXECUTION_REPORT": payloads.ExecutionReport(
        **MARKET, signal_id="s", client_order_id="c", order_status="PARTIALLY_FILLED", order_type="LIMIT", side="BUY",
        quantity_ordered=Decimal(2), quantity_filled=Decimal(1), timestamp_exchange=NOW, exchange_order_id="O",
        average_fill_price=Decimal(5), limit_price=Decimal(5), stop_price=Decimal(4), commission=Decimal("0.013"),
        commission_asset="USD", error_message="none", execution_id="T", last_quantity=Decimal(1),
        last_price=Decimal(5), last_cost=Decimal(5),
    ),
    "LOG_ENTRY": payloads.LogEntry(level="INFO", message="x", context={"trading_pair": "BTC/USD"}),
    "SYSTEM_STATE_CHANGE": payloads.SystemStateChange(
        new_state="HALTED", reason="MANUAL_HALT_COMMAND", halt_action="MAINTAIN_POSITIONS"
    ),
    "MODEL_LIFECYCLE": payloads.ModelLifecycle(
        model_id="m@v1", action="PROMOTED", stage="production", version="1", metadata={"auc": 0.6},
        previous_stage="staging",
    ),
    "EXPERIMENT": payloads.Experiment(
        experiment_id="e", action="COMPLETED", variants=({"model_id": "m@v1"},), traffic_split={"a": 0.5},
        result={"winner": "a"}, statistical_significance=0.01,
    ),
    "DRIFT_DETECTION": payloads.DriftDetection(
        model_id="m@v1", drift_type="DATA_DRIFT", severity="HIGH", confidence=0.9, metrics={"psi": 0.3},
        recommendation="MONITOR", threshold_exceeded=True,
    ),
    "RECONCILIATION": payloads.Reconciliation(
        reconciliation_type="POSITIONS", status="RESOLVED", discrepancies=({"asset": "BTC"},), internal_state={},
        exchange_state={}, resolution_actions=({"adjust": "BTC"},),
    ),
    "PERFORMANCE_OPTIMIZATION": payloads.PerformanceOptimization(
        optimization_type="CACHE", action="OPTIMIZATION_APPLIED", metrics_before={"a": 1}, optimization_details={},
        metrics_after={"a": 2}, improvement_percentage=50.0,
    ),
    "POTENTIAL_HALT_TRIGGER": payloads.PotentialHaltTrigger(
        reason="DAILY_DRAWDOWN_LIMIT_HIT", source="RiskManager", details={"drawdown": "0.06"}
    ),
    "SYSTEM_ERROR": payloads.SystemError(error_type="ValueError", message="m", component="c", event_id="e"),
}  # fmt: skip


def event_of(event_type, payload):
    return Event(
        event_id="00000000-0000-8000-8000-000000000001", event_type=event_type, timestamp=NOW, source_module="Test",
        payload=payload, priority=PRIORITY[event_type], correlation_id="root", trace_id="trace",
    )  # fmt: skip


def faults(schema, value, at="$"):
    """What a validator of the keywords that our schemas use would object to."""
    if "anyOf" in schema:
        found = [faults(option, value, at) for option in schema["anyOf"]]
        return [] if [] in found else found[0]
    allowed = schema.get("enum", [schema.get("const", value)])
    if value not in allowed:
        return [f"{at}: {value!r} is not one of {allowed}"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(kind, value) for kind in kinds):
        return [f"{at}: {value!r} is not {kinds}"]
    if isinstance(value, str) and "pattern" in schema and not re.match(schema["pattern"], value):
        return [f"{at}: {value!r} does not match {schema['pattern']}"]
    if isinstance(value, dict):
        return _in_object(schema, value, at)
    return _in_array(schema, value, at) if isinstance(value, list) else []


def _is(kind, value):
    types = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list,
        "null": type(None),
    }  # fmt: skip
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _in_object(schema, value, at):
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{at}: without {name}" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        if name in known:
            found += faults(known[name], item, f"{at}.{name}")
        elif more is False:
            found.append(f"{at}: {name} is not known")
        elif isinstance(more, dict):
            found += faults(more, item, f"{at}.{name}")
    return found


def _in_array(schema, value, at):
    first = schema.get("prefixItems", [])
    found = (
        []
        if schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        else [f"{at}: length"]
    )
    for number, item in enumerate(value):
        rest = schema.get("items") or {}
        found += faults(first[number] if number < len(first) else rest, item, f"{at}[{number}]")
    return found


def test_the_examples_leave_no_event_and_no_field_out():
    assert EXAMPLES.keys() == PAYLOADS.keys() == {*CONTRACT["events"], *CONTRACT["events_of_003"]}
    for payload in EXAMPLES.values():
        assert None not in msgspec.structs.asdict(payload).values()


@pytest.mark.parametrize("event_type", PAYLOADS)
def test_every_event_survives_json_with_every_field_set(event_type):
    event = event_of(event_type, EXAMPLES[event_type])
    back = from_dict(json.loads(event.to_json()))
    assert back.to_json() == event.to_json()
    assert msgspec.structs.replace(back, payload=None) == msgspec.structs.replace(event, payload=None)


@pytest.mark.parametrize("event_type", PAYLOADS)
def test_what_is_written_fits_the_schema_and_what_is_not_does_not(event_type):
    schema = json.loads(json.dumps(event_schema(event_type)))
    wire = json.loads(event_of(event_type, EXAMPLES[event_type]).to_json())
    assert faults(schema, wire) == []
    for name in wire["payload"]:
        broken = copy.deepcopy(wire)
        broken["payload"][name] = object()
        if name not in {"metadata", "context"}:
            assert faults(schema, broken) != [], name
    for name in schema["required"]:
        assert faults(schema, {key: value for key, value in wire.items() if key != name}) == [
            f"$: without {name}"
        ]


@pytest.mark.parametrize("event_type", PAYLOADS)
def test_the_least_that_an_event_may_say_fits_too(event_type):
    payload = EXAMPLES[event_type]
    optional = [field.name for field in msgspec.structs.fields(payload) if not field.required]
    defaults = {
        field.name: field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(payload)
        if field.name in optional
    }
    least = msgspec.structs.replace(payload, **defaults)
    wire = json.loads(msgspec.structs.replace(event_of(event_type, least), correlation_id=None).to_json())
    assert faults(event_schema(event_type), wire) == []


@pytest.mark.parametrize("event_type", CONTRACT["events"])
def test_schemas_name_every_field_of_the_contract(event_type):
    properties = event_schemas()[event_type]["properties"]["payload"]["properties"]
    assert set(CONTRACT["events"][event_type]) <= properties.keys()


def test_times_are_nine_digits_and_money_is_text():
    properties = event_schema("MARKET_DATA_OHLCV")["properties"]["payload"]["properties"]
    assert properties["open"] == {"type": "string", "format": "decimal"}
    assert re.match(properties["timestamp_bar_start"]["pattern"], "2023-11-14T22:13:20.123456789Z")
    assert not re.match(properties["timestamp_bar_start"]["pattern"], "2023-11-14T22:13:20.123456Z")
