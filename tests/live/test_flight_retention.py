"""Old flights go, and never one that a certificate would still read."""

import os

import pytest

from gal_friday_core.errors import StorageError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.times import DAY_NS
from gal_friday_live.flight import retention
from gal_friday_live.flight.heard import heard_features
from gal_friday_live.flight.retention import forget
from tests.live.test_heard import SERIES, flight

NOW = 1_700_000_000_000_000_000
ROWS = 4


def aged(folder, **days):
    """Each flight was last written so many days ago."""
    for name, ago in days.items():
        for path in (folder / name).rglob("*"):
            os.utime(path, ns=(NOW - ago * DAY_NS, NOW - ago * DAY_NS))


def tidied(folder, keep_days=90):
    return forget(folder, now_ns=NOW, keep_days=keep_days, rows=ROWS)


def test_what_is_old_goes_once_newer_flights_hold_the_rows_of_the_gate(tmp_path):
    flight(tmp_path, "a1", [1, 2])
    flight(tmp_path, "a2", [3, 4])
    flight(tmp_path, "a3", [5, 6])
    flight(tmp_path, "a4", [7])
    aged(tmp_path, a1=300, a2=200, a3=100, a4=1)
    before = heard_features(tmp_path, SERIES, CANDLES_V1, ROWS).table.ts.tolist()
    found = tidied(tmp_path)
    assert (found.deleted, found.left, found.needed) == (("a1",), ("a2", "a3", "a4"), ("a2", "a3"))
    assert heard_features(tmp_path, SERIES, CANDLES_V1, ROWS).table.ts.tolist() == before
    assert found.bytes_left == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())


def test_each_series_needs_its_own_and_what_no_gate_reads_goes(tmp_path):
    flight(tmp_path, "b1", [1, 2, 3, 4], pair="ETH/USD")
    flight(tmp_path, "b2", [1], venue="http://127.0.0.1:1")
    flight(tmp_path, "b3", [1], schema_hash="0" * 64)
    flight(tmp_path, "b4", [1], head={"version": 7})
    flight(tmp_path, "b5", [1, 2, 3, 4, 5])
    aged(tmp_path, b1=200, b2=200, b3=200, b4=200, b5=1)
    found = tidied(tmp_path)
    assert found.deleted == ("b2", "b3", "b4")
    assert found.needed == ("b1",)


def test_a_damaged_flight_and_what_is_no_flight_are_left(tmp_path):
    flight(tmp_path, "c1", [1])
    part = tmp_path / "c1" / "part-000001.jsonl"
    part.write_text(part.read_text().replace('"known_ns"', '"known"'))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    aged(tmp_path, c1=900, notes=900)
    found = tidied(tmp_path)
    assert (found.deleted, found.damaged) == ((), ("c1",))
    assert (tmp_path / "notes" / "mine.txt").exists()


def test_without_an_old_flight_none_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "told", lambda _: pytest.fail("read"))
    flight(tmp_path, "d1", [1])
    aged(tmp_path, d1=89)
    assert tidied(tmp_path).left == ("d1",)
    assert tidied(tmp_path / "nothing").left == ()


def test_what_cannot_be_deleted_is_named(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(retention.shutil, "rmtree", refuse)
    flight(tmp_path, "e1", [1], venue="http://127.0.0.1:1")
    aged(tmp_path, e1=900)
    with pytest.raises(StorageError, match="e1 is outdated and cannot be deleted: Permission denied"):
        tidied(tmp_path)
