"""One definition of each metric, and the two forms that others read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.metrics import BY_NAME, METRICS, Told, points, prometheus_text

LABELS = {"mode": "paper", "session": "s-1"}
READINGS = {
    "portfolio_metrics": {"equity": 10_000.5, "cash": 9_000.0},
    "gal_friday_engine": {"halted": 0.0, "signals_rejected_total": {"HALTED": 2.0, "STALE": 1.0}},
    "gal_friday_position": {"quantity": {"BTC/USD": 0.25}, "value": {"BTC/USD": 7_500.0}},
}


def test_names_are_unique_well_formed_and_say_their_unit():
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"(gal_friday|portfolio_metrics)_[a-z0-9_]+", metric.name)
        assert metric.help
        assert metric.unit
        assert ("seconds" in metric.field) == (metric.unit == "s"), metric.name
        assert ("bytes" in metric.field) == (metric.unit == "bytes"), metric.name


def test_a_time_series_has_one_point_for_a_measurement_and_one_more_for_each_value_of_a_label():
    found = {
        (point.measurement, tuple(point.tags.items())): point.fields for point in points(READINGS, LABELS)
    }
    assert found == {
        ("portfolio_metrics", tuple(LABELS.items())): {"equity": 10_000.5, "cash": 9_000.0},
        ("gal_friday_engine", tuple(LABELS.items())): {"halted": 0.0},
        ("gal_friday_engine", (*LABELS.items(), ("code", "HALTED"))): {"signals_rejected_total": 2.0},
        ("gal_friday_engine", (*LABELS.items(), ("code", "STALE"))): {"signals_rejected_total": 1.0},
        ("gal_friday_position", (*LABELS.items(), ("pair", "BTC/USD"))): {"quantity": 0.25, "value": 7_500.0},
    }  # fmt: skip


def test_prometheus_is_told_help_type_and_every_sample():
    text = prometheus_text([Told(READINGS, {"mode": "paper"})])
    assert text.startswith("# HELP portfolio_metrics_equity ")
    assert "# TYPE gal_friday_engine_signals_rejected_total counter\n" in text
    assert 'gal_friday_engine_signals_rejected_total{mode="paper",code="HALTED"} 2.0\n' in text
    assert "# TYPE gal_friday_engine_halted gauge\ngal_friday_engine_halted" in text
    assert 'gal_friday_position_value{mode="paper",pair="BTC/USD"} 7500.0\n' in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_left_out_of_both(value):
    readings = {"portfolio_metrics": {"equity": value}, "gal_friday_position": {"value": {"A/USD": value}}}
    assert list(points(readings, LABELS)) == []
    assert prometheus_text([Told(readings, LABELS)]) == ""


def test_a_number_that_nobody_defined_is_an_error_and_not_a_series():
    with pytest.raises(KeyError, match="gal_friday_engine_luck"):
        list(points({"gal_friday_engine": {"luck": 1.0}}, LABELS))


@given(st.text(min_size=1))
def test_no_label_value_breaks_a_line_or_leaves_its_quotes(value):
    text = prometheus_text([Told({"gal_friday_position": {"value": {value: 1.0}}}, {})])
    sample = text.removeprefix(text[: text.rindex("gal_friday_position_value{")])
    inside = re.fullmatch(r'gal_friday_position_value\{pair="((?:[^"\\\n]|\\["\\n])*)"\} 1\.0\n', sample)
    assert inside is not None
    told = re.sub(r'\\(["\\n])', lambda found: "\n" if found[1] == "n" else found[1], inside[1])
    assert told == value
