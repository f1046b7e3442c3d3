"""The REST counter over restarts: never less than was asked, little more, and no engine is kept from starting."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.kraken.rest_memory import AHEAD, RestMemory
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import REST_LIMITS, Counter

BEGAN = 1_700_000_000 * SECOND_NS


def test_a_restart_finds_what_was_asked_and_what_has_drained_since(tmp_path):
    file, now = tmp_path / "asked", [BEGAN]
    first = RestMemory("pro", lambda: now[0], file)
    first.keep(Decimal(12))
    now[0] += 4 * SECOND_NS
    assert RestMemory("pro", lambda: now[0], file).left() == 12 + AHEAD - 4
    now[0] += 60 * SECOND_NS
    assert RestMemory("pro", lambda: now[0], file).left() == 0


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from((1, 2))), max_size=40))
def test_what_is_kept_is_never_less_than_the_counter_and_at_most_so_much_more(calls):
    limit, now = REST_LIMITS["starter"], [BEGAN]
    memory, counter = RestMemory("starter", lambda: now[0]), Counter(REST_LIMITS["starter"].decay)
    for pause_s, points in calls:
        now[0] += pause_s * SECOND_NS
        counter.add(Decimal(points), now[0])
        memory.keep(counter.read(now[0]))
        assert counter.read(now[0]) <= memory.left() <= counter.read(now[0]) + AHEAD + limit.decay


def test_the_file_is_not_written_with_each_call(tmp_path):
    file = tmp_path / "asked"
    memory = RestMemory("pro", lambda: BEGAN, file)
    memory.keep(Decimal(1))
    written = file.stat().st_mtime_ns, file.stat().st_ino
    memory.keep(Decimal(6))
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == written
    memory.keep(Decimal(7))
    assert file.stat().st_ino != written[1]


def test_a_clock_that_was_set_back_drains_nothing(tmp_path):
    file = tmp_path / "asked"
    RestMemory("pro", lambda: BEGAN, file).keep(Decimal(9))
    assert RestMemory("pro", lambda: BEGAN - 3_600 * SECOND_NS, file).left() == 9 + AHEAD


@pytest.mark.parametrize("content", [b"", b"9", b"nine 5\n", b"NaN 5", b"\xff\xfe 1", b"1 2 3"])
def test_a_damaged_file_counts_as_a_limit_that_is_reached(tmp_path, content):
    file = tmp_path / "asked"
    file.write_bytes(content)
    assert RestMemory("starter", lambda: BEGAN, file).left() == REST_LIMITS["starter"].maximum


def test_a_number_beyond_every_counter_delays_no_engine_for_hours(tmp_path):
    file = tmp_path / "asked"
    file.write_text(f"1e9 {BEGAN}")
    assert RestMemory("pro", lambda: BEGAN, file).left() == 2 * REST_LIMITS["pro"].maximum + AHEAD


def test_a_file_that_cannot_be_written_is_told_once_and_stops_nobody(tmp_path, caplog):
    memory = RestMemory("pro", lambda: BEGAN, tmp_path / "no folder" / "asked")
    memory.keep(Decimal(1))
    memory.keep(Decimal(10))
    assert len([record for record in caplog.records if "is not kept" in record.message]) == 1
    assert memory.left() == 10 + AHEAD
