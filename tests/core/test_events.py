"""Events: the fields of the contract, and a round trip through JSON that loses nothing."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import ContractError
from gal_friday_core.events import PRIORITY, Event, decode, from_dict, payload_dict
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.payloads import (
    PAYLOADS,
    ExecutionReport,
    FeaturesCalculated,
    MarketDataOHLCV,
    Nanoseconds,
    PredictionGenerated,
    TradeSignalProposed,
)

CONTRACT = json.loads((Path(__file__).parents[1] / "live" / "contract.json").read_text(encoding="utf-8"))
NOW = 1_700_000_000_123_456_789


def vector(**values):
    row = np.arange(len(CANDLES_V1), dtype=np.float64) / 7
    for name, value in values.items():
        row[CANDLES_V1.index(name)] = value
    return FeatureVector(CANDLES_V1, row)


def prediction(**changes):
    given = {
        "trading_pair": "BTC/USD",
        "exchange": "kraken",
        "timestamp_prediction_for": NOW,
        "model_id": "m@v1",
        "prediction_target": "long_net_profit",
        "prediction_value": 0.625,
    }
    return PredictionGenerated(**{**given, **changes})


def event_of(event_type, payload):
    return Event(
        event_id="00000000-0000-8000-8000-000000000001",
        event_type=event_type,
        timestamp=NOW,
        source_module="Test",
        payload=payload,
        priority=PRIORITY[event_type],
        correlation_id="root",
    )


@pytest.mark.parametrize("event_type", [*CONTRACT["events"], *CONTRACT["events_of_003"]])
def test_every_event_of_the_contract_exists_with_its_fields(event_type):
    fields = {field.name for field in msgspec.structs.fields(PAYLOADS[event_type])}
    assert set(CONTRACT["events"].get(event_type, ())) <= fields


def test_envelope_carries_the_metadata_of_the_contract():
    wire = event_of("PREDICTION_GENERATED", prediction()).as_dict()
    assert set(wire) == {
        "event_id", "event_type", "timestamp", "source_module", "priority", "correlation_id", "trace_id", "payload",
    }  # fmt: skip
    assert wire["timestamp"] == "2023-11-14T22:13:20.123456789Z"


@pytest.mark.parametrize(
    ("event_type", "priority"),
    [
        ("SYSTEM_STATE_CHANGE", 10),
        ("EXECUTION_REPORT", 8),
        ("TRADE_SIGNAL_APPROVED", 6),
        ("MARKET_DATA_L2", 5),
        ("LOG_ENTRY", 0),
    ],
)
def test_ten_is_the_most_urgent_lane(event_type, priority):
    assert PRIORITY[event_type] == priority


def test_money_is_a_string_and_time_is_iso_at_the_door():
    bar = MarketDataOHLCV(
        trading_pair="BTC/USD", exchange="kraken", interval="1m", timestamp_bar_start=NOW,
        open=Decimal("1.10"), high=Decimal("1.2"), low=Decimal(1), close=Decimal("1.15"), volume=Decimal("0E-8"),
    )  # fmt: skip
    wire = event_of("MARKET_DATA_OHLCV", bar).as_dict()["payload"]
    assert wire["open"] == "1.10"
    assert wire["volume"] == "0E-8"
    assert wire["timestamp_bar_start"] == "2023-11-14T22:13:20.123456789Z"


def test_features_are_strings_and_an_unknown_one_is_null():
    wire = payload_dict(
        FeaturesCalculated(
            trading_pair="BTC/USD",
            exchange="kraken",
            timestamp_features_for=NOW,
            features=vector(log_return_1=float("nan")),
            reference_price=Decimal(5),
        )
    )
    assert wire["features"]["log_return_1"] is None
    assert isinstance(wire["features"]["volatility_60"], str)
    assert wire["feature_schema"] == CANDLES_V1.hash


@given(st.lists(st.floats(), min_size=len(CANDLES_V1), max_size=len(CANDLES_V1)))
def test_features_survive_the_round_trip_bit_for_bit(row):
    values = np.array(row, dtype=np.float64)
    payload = FeaturesCalculated(
        trading_pair="BTC/USD", exchange="kraken", timestamp_features_for=NOW,
        features=FeatureVector(CANDLES_V1, values), reference_price=Decimal("0.1"),
    )  # fmt: skip
    back = from_dict(json.loads(event_of("FEATURES_CALCULATED", payload).to_json())).payload
    assert np.array_equal(back.features.values, values, equal_nan=True)


def test_a_nested_prediction_survives_the_round_trip():
    signal = TradeSignalProposed(
        trading_pair="BTC/USD", exchange="kraken", signal_id="s", side="BUY", entry_type="MARKET",
        strategy_id="threshold", reference_price=Decimal("963.370"), data_timestamp=NOW, expires_at=NOW + 1,
        proposed_sl_price=Decimal("950.1"), triggering_prediction=prediction(confidence=0.1),
    )  # fmt: skip
    event = event_of("TRADE_SIGNAL_PROPOSED", signal)
    assert from_dict(json.loads(event.to_json())) == event


_TIMES = st.integers(min_value=0, max_value=4_102_444_800 * 10**9)
_MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9)


@given(_MONEY, _MONEY, _TIMES, st.none() | st.text())
def test_an_execution_report_survives_the_round_trip(quantity, price, moment, error):
    report = ExecutionReport(
        signal_id="s", client_order_id="c", trading_pair="BTC/USD", exchange="kraken", order_status="UNKNOWN",
        order_type="MARKET", side="SELL", quantity_ordered=quantity, quantity_filled=quantity,
        timestamp_exchange=moment, average_fill_price=price, error_message=error,
    )  # fmt: skip
    event = event_of("EXECUTION_REPORT", report)
    assert from_dict(json.loads(event.to_json())) == event


def test_nanoseconds_fields_are_found_by_their_annotation():
    for payload_type in PAYLOADS.values():
        for field in msgspec.structs.fields(payload_type):
            timed = field.name.startswith("timestamp") or field.name in {"data_timestamp", "expires_at"}
            assert timed == (field.type in (Nanoseconds, Nanoseconds | None)), field.name


def test_replayed_events_are_marked():
    wire = event_of("PREDICTION_GENERATED", prediction()).as_dict()
    assert from_dict(wire, replayed=True).replayed
    assert not from_dict(wire).replayed


@pytest.mark.parametrize(
    ("event_type", "payload", "says"),
    [
        ("PREDICTION", {}, "unknown event type 'PREDICTION'"),
        ("LOG_ENTRY", {"level": "LOUD", "message": "x"}, r"LOG_ENTRY: .*level"),
        ("LOG_ENTRY", {"level": "INFO"}, r"LOG_ENTRY: .*message"),
        ("LOG_ENTRY", {"level": "INFO", "message": "x", "mesage": "y"}, "LOG_ENTRY: unknown field 'mesage'"),
        ("LOG_ENTRY", 5, "LOG_ENTRY: expected LogEntry or a dictionary"),
        ("LOG_ENTRY", prediction(), "LOG_ENTRY: expected LogEntry"),
        (
            "PREDICTION_GENERATED",
            {"timestamp_prediction_for": "yesterday"},
            "timestamp_prediction_for: not an ISO",
        ),
        (
            "FEATURES_CALCULATED",
            {"trading_pair": "a", "features": {"rsi": "1"}},
            "features are of no schema known here",
        ),
    ],
)
def test_a_malformed_payload_is_refused_by_field(event_type, payload, says):
    with pytest.raises(ContractError, match=says):
        decode(event_type, payload)


def test_features_of_another_revision_are_refused():
    wire = payload_dict(
        FeaturesCalculated(
            trading_pair="BTC/USD",
            exchange="kraken",
            timestamp_features_for=NOW,
            features=vector(),
            reference_price=Decimal(5),
        )
    )
    with pytest.raises(ContractError, match="no schema known here"):
        decode("FEATURES_CALCULATED", {**wire, "feature_schema": "0" * 64})


def test_an_event_without_its_type_is_refused():
    with pytest.raises(ContractError, match="event without 'event_type'"):
        from_dict({})


def test_an_event_reads_as_the_dictionary_of_the_contract():
    assert event_of("PREDICTION_GENERATED", prediction())["payload"]["model_id"] == "m@v1"
