"""Dashboards, alerts and the numbers that they ask for, on the servers that people run."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from gal_friday_adapters.influx import InfluxSink
from gal_friday_core.metrics import BY_NAME, METRICS, Told, points, prometheus_text
from gal_friday_live.observability.alerts import ALERTS
from gal_friday_live.observability.files import FILES
from gal_friday_live.observability.panels import ROWS
from tests.live.metric_servers import ask, influxdb, post, program, victoria_metrics

ROOT = Path(__file__).parents[2]
LABELS = {"mode": "paper", "session": "s-1"}
GIVE_UP_S = 30.0
STEP_S = 10
LOOKS = 12
NAMES = re.compile(r"\b(?:gal_friday|portfolio_metrics)_[a-z0-9_]+")
PANELS = [panel for row in ROWS for panel in row.panels]


def everything(look):
    """A reading of every metric there is, each with a value of its own that grows."""
    found = {}
    for at, metric in enumerate(METRICS):
        value = 1e10 * (at + 1) + 100 * look
        found.setdefault(metric.measurement, {})[metric.field] = (
            {"x": value, "y": value} if metric.label else value
        )
    return found


def times():
    """The last two minutes, in seconds."""
    now = int(time.time()) // STEP_S * STEP_S
    return range(now - STEP_S * LOOKS, now, STEP_S)


def written(url):
    """Every metric at every time, through the sink that the engine has."""
    sink = InfluxSink(url, org="house", bucket="gal_friday")
    sink.start()
    for look, second in enumerate(times()):
        for point in points(everything(look), LABELS):
            sink.emit(point.measurement, point.tags, point.fields, second * 10**9)
    assert sink.close(GIVE_UP_S)
    assert sink.counts.written == sink.counts.offered > LOOKS
    assert (sink.counts.dropped, sink.counts.rejected, sink.invalid) == (0, 0, 0)


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_made_of_the_definitions_is_current(name):
    assert (ROOT / name).read_text("utf-8") == FILES[name](), "run python -m gal_friday_live.observability"


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_name_no_metric_that_does_not_exist(name):
    text = (ROOT / name).read_text("utf-8")
    others = {metric.measurement for metric in METRICS} | {"gal_friday_core", "gal_friday_live"}
    assert set(NAMES.findall(text)) <= BY_NAME.keys() | others


def test_every_metric_is_drawn_or_watched_or_says_why_not():
    seen = {name for panel in PANELS for name in panel.names} | {rule.metric_name for rule in ALERTS}
    aside = {
        "gal_friday_position_quantity",  # no two pairs have one unit
        "gal_friday_engine_uptime_seconds", "gal_friday_engine_halt_reasons_total", "gal_friday_engine_bars_total",
        "gal_friday_engine_reports_total", "gal_friday_bus_backlog", "gal_friday_journal_notes_written_total",
        "gal_friday_database_requests_waited_total", "gal_friday_database_request_errors_total",
        "gal_friday_gc_collections_total", "gal_friday_gc_pause_max_seconds", "gal_friday_gc_frozen_objects",
        "gal_friday_outbox_written_total",
    }  # fmt: skip
    assert BY_NAME.keys() - seen == aside


def test_victoria_metrics_answers_every_panel_and_rule(tmp_path):
    with victoria_metrics(tmp_path) as url:
        written(url)
        ask(f"{url}/internal/force_flush")
        assert set(ask(f"{url}/api/v1/label/__name__/values")["data"]) == BY_NAME.keys()
        dashboard = json.loads((ROOT / "deploy/grafana/dashboards/gal-friday-prometheus.json").read_text())
        span = times()
        for expression in expressions(dashboard, "expr"):
            asked = expression.replace("$session", ".*").replace("$__rate_interval", "1m")
            told = ask(f"{url}/api/v1/query_range", query=asked, start=span[0], end=span[-1], step=STEP_S)
            assert told["data"]["result"], asked
        rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
        firing = {
            rule["alert"]
            for rule in rules
            if ask(f"{url}/api/v1/query", query=rule["expr"])["data"]["result"]
        }
    assert firing == {rule.name for rule in ALERTS}, (
        "every number was above its limit and growing, and an engine told them"
    )


def test_both_ways_to_a_server_give_the_same_series(tmp_path):
    with victoria_metrics(tmp_path) as url:
        written(url)
        text = prometheus_text([Told(everything(LOOKS), {**LABELS, "way": "scrape"})]).encode()
        assert post(f"{url}/api/v1/import/prometheus", text)[0] == 204
        ask(f"{url}/internal/force_flush")
        series = ask(f"{url}/api/v1/series", **{"match[]": '{session="s-1"}'})["data"]
    way = {("way", "scrape")}
    by_sink = {tuple(sorted(labels.items())) for labels in series if "way" not in labels}
    by_scrape = {tuple(sorted(labels.items() - way)) for labels in series if "way" in labels}
    assert by_sink == by_scrape
    assert len(by_sink) == sum(2 if metric.label else 1 for metric in METRICS)


def test_influxdb_answers_every_panel_and_rule(tmp_path):
    with influxdb(tmp_path) as (front, url):
        post(f"{url}/query?q=CREATE+DATABASE+gal_friday")
        written(front)
        dashboard = json.loads((ROOT / "deploy/grafana/dashboards/gal-friday-influxdb.json").read_text())
        rules = yaml.safe_load((ROOT / "deploy/grafana/alerting/gal-friday.yaml").read_text())["groups"][0][
            "rules"
        ]
        asked = [*expressions(dashboard, "query"), *(rule["data"][0]["model"]["query"] for rule in rules)]
        for query in asked:
            plain = (
                query.replace("$session", ".*")
                .replace("$__interval", "10s")
                .replace("$timeFilter", "time > now() - 1h")
            )
            told = ask(f"{url}/query", db="gal_friday", q=plain)["results"][0]
            assert told.get("series"), f"{plain}: {told}"
        assert len(asked) > len(ALERTS)


def test_a_server_that_keeps_types_rejects_what_changes_its_type_and_goes_on(tmp_path):
    with influxdb(tmp_path) as (front, url):
        post(f"{url}/query?q=CREATE+DATABASE+gal_friday")
        for value in (1.5, "text", 2.5):
            sink = InfluxSink(front, bucket="gal_friday")
            sink.emit("equity", {}, {"usd": value}, time.time_ns())
            assert sink.close(GIVE_UP_S)
            assert sink.counts.rejected == (value == "text")
        told = ask(f"{url}/query", db="gal_friday", q='select "usd" from "equity"')
    assert [row[1] for row in told["results"][0]["series"][0]["values"]] == [1.5, 2.5]


def test_an_outage_of_the_server_loses_nothing_that_the_queue_holds(tmp_path):
    with influxdb(tmp_path) as (front, url):
        sink = InfluxSink(front, bucket="late", linger_s=0.01)
        sink.start()
        for number in range(500):
            sink.emit("m", {}, {"value": float(number)}, number + 1)
        post(f"{url}/query?q=CREATE+DATABASE+late")
        assert sink.close(GIVE_UP_S)
        assert sink.counts.written + sink.counts.rejected == 500


def test_promtool_finds_rules_configuration_and_text_in_order():
    promtool = program("promtool", "prometheus")
    for command in (["check", "rules", "alerts.yaml"], ["check", "config", "prometheus.yaml"]):
        done = subprocess.run(
            [promtool, *command], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    text = prometheus_text([Told(everything(1), LABELS)])
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def expressions(dashboard, key):
    """Of every panel; rows have none."""
    return [target[key] for panel in dashboard["panels"] for target in panel.get("targets", ())]
