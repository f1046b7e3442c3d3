"""What became of models' signals, counted from journal lines."""

import json

import pytest

from gal_friday_core.errors import DataError
from gal_friday_core.live_answers import answers_of
from gal_friday_core.live_records import Line

M, N = "m@v1", "m@v2"


def line(kind, **record):
    return Line(session="s", mode="paper", seq=1, ts_ns=1, kind=kind, key="k", record=json.dumps(record))


def signal(verdict, model=M):
    return line("SIGNAL", verdict=verdict, model_id=model)


def intent(order, model=M, purpose="ENTRY"):
    return line("ORDER_INTENT", client_order_id=order, model_id=model, purpose=purpose)


def fill(order):
    return line("FILL", client_order_id=order)


def test_verdicts_are_counted_by_model_and_code_and_entries_once_however_often_they_filled():
    lines = [
        signal("APPROVED"), signal("APPROVED"), signal("MAX_EXPOSURE"), signal("STALE_SIGNAL", N), signal("APPROVED", None),
        intent("o1"), intent("o2"), fill("o1"), fill("o1"), line("EQUITY", anything=1),
    ]  # fmt: skip
    found = answers_of(lines, [M, N])
    assert (found[M].approved, found[M].refused, found[M].filled) == (2, {"MAX_EXPOSURE": 1}, 1)
    assert found[M].refused_share == pytest.approx(1 / 3)
    assert found[M].told()["filled_share"] == pytest.approx(1 / 3)
    assert (found[N].signals, found[N].refused_share) == (1, 1.0)


def test_exits_and_orders_of_others_count_for_nobody():
    lines = [intent("o1", purpose="EXIT"), intent("o2", model=N), fill("o1"), fill("o2"), fill("o3")]
    found = answers_of(lines, [M])[M]
    assert (found.signals, found.filled, found.refused_share, found.filled_share) == (0, 0, None, None)


def test_a_line_that_cannot_be_read_is_named():
    with pytest.raises(DataError, match="journal SIGNAL k of session s"):
        answers_of([line("SIGNAL", model_id=M)], [M])
