"""Features out of flight records, for who certifies a model."""

import msgspec
import numpy as np
import pytest

from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.flight.heard import heard_features
from gal_friday_live.flight.record import HEAD, TELL, TIME, FlightRecord, Head
from gal_friday_live.flight.values import text_of

SERIES = Series("kraken", "BTC/USD", "1m")
SCHEMA = CANDLES_V1


def flight(
    folder,
    name,
    bars,
    *,
    venue=None,
    interval="1m",
    pair="BTC/USD",
    schema_hash=SCHEMA.hash,
    add=0.0,
    head=None,
):
    """As `Recorder` writes it: a step for each bar, on which its features are told."""
    writer = SessionWriter(folder / name, compress=False)
    writer.start()
    head = head or Head(
        code_version="test", request={"mode": "paper", "venue": venue},
        config={"market": {"exchange": "kraken", "interval": interval}},
    )  # fmt: skip
    writer.record(HEAD, 1, msgspec.json.encode(head))
    for bar in bars:
        writer.record(TIME, 1 + bar)
        told = {
            "pair": pair, "known_ns": (bar + 1) * MINUTE_NS, "schema_hash": schema_hash,
            "bits": text_of(np.full(len(SCHEMA), bar + add)),
        }  # fmt: skip
        writer.record(TELL, 1 + bar, msgspec.json.encode(told), reason="features")
    writer.close()


def heard(folder, rows=100):
    found = heard_features(folder, SERIES, SCHEMA, rows).table
    return dict(zip((found.ts // MINUTE_NS).tolist(), found.values[:, 0].tolist(), strict=True))


def test_the_newest_flight_has_the_last_word(tmp_path):
    flight(tmp_path, "20240101T000000Z", [1, 2, 3])
    flight(tmp_path, "20240102T000000Z", [3, 4], add=0.5)
    assert heard(tmp_path) == {1: 1.0, 2: 2.0, 3: 3.5, 4: 4.5}
    assert heard(tmp_path, rows=2) == {3: 3.5, 4: 4.5}


def test_simulated_exchanges_other_bars_and_other_features_say_nothing(tmp_path):
    flight(tmp_path, "a", [1], venue="http://127.0.0.1:1")
    flight(tmp_path, "b", [2], interval="5m")
    flight(tmp_path, "c", [3], pair="ETH/USD")
    flight(tmp_path, "d", [4], schema_hash="0" * 64)
    assert heard(tmp_path) == {}


def test_no_folder_says_nothing(tmp_path):
    assert heard(tmp_path / "flights") == {}
    (tmp_path / "flights" / "something else").mkdir(parents=True)
    assert heard(tmp_path / "flights") == {}


def test_features_that_cannot_be_read_are_named(tmp_path):
    flight(tmp_path, "20240101T000000Z", [1])
    part = tmp_path / "20240101T000000Z" / "part-000001.jsonl"
    part.write_text(part.read_text().replace('"known_ns"', '"known"'))
    with pytest.raises(DataError, match="20240101T000000Z"):
        heard(tmp_path)


def test_a_flight_of_another_version_is_left_out_and_named(tmp_path):
    """Its first line may hold anything; the others count."""
    flight(tmp_path, "20240101T000000Z", [1, 2])
    flight(tmp_path, "20240102T000000Z", [2, 3], add=0.5, head={"version": 7, "of": "tomorrow"})
    assert heard(tmp_path) == {1: 1.0, 2: 2.0}
    found = heard_features(tmp_path, SERIES, SCHEMA, 100)
    assert "20240102T000000Z is a record of version 7; this reads 1" in found.source
    with pytest.raises(DataError, match="is a record of version 7"):
        _ = FlightRecord(tmp_path / "20240102T000000Z").head
