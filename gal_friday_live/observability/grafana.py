"""Dashboards and alert rules in the forms that Grafana (10 and later) and Prometheus load from files."""

from typing import Any, Final

from gal_friday_core.metrics import Metric
from gal_friday_live.observability.alerts import ALERTS, ENGINE_GONE, ENGINE_GONE_SUMMARY, AlertRule
from gal_friday_live.observability.panels import ROWS, Panel
from gal_friday_live.observability.queries import influxql, influxql_value, legend, promql, promql_condition

WIDTH: Final = 24
STAT_WIDTH, STAT_HEIGHT = 6, 4
GRAPH_WIDTH, GRAPH_HEIGHT = 12, 8
INFLUX_UID: Final = "gal-friday-influxdb"
MINUTE_S: Final = 60
SPAN_S: Final = {"5m": 300, "10m": 600, "15m": 900}


def dashboard(*, influx: bool) -> dict[str, Any]:
    """All rows for one kind of source; the source itself is chosen in Grafana."""
    kind = "influxdb" if influx else "prometheus"
    return {
        "uid": f"gal-friday-{kind}",
        "title": f"Gal-Friday ({'InfluxDB' if influx else 'Prometheus'})",
        "tags": ["gal-friday"],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-3h", "to": "now"},
        "editable": True,
        "graphTooltip": 1,
        "templating": {"list": _variables(kind, influx=influx)},
        "panels": _panels(kind, influx=influx),
    }


def _variables(kind: str, *, influx: bool) -> list[dict[str, Any]]:
    asked = 'SHOW TAG VALUES FROM "portfolio_metrics" WITH KEY = "session"'
    return [
        {"name": "datasource", "label": "Source", "type": "datasource", "query": kind},
        {
            "name": "session",
            "label": "Account's session",
            "type": "query",
            "datasource": {"type": kind, "uid": "${datasource}"},
            "query": asked if influx else "label_values(portfolio_metrics_equity, session)",
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _panels(kind: str, *, influx: bool) -> list[dict[str, Any]]:
    """Rows from the top, panels from the left, each as wide as it needs."""
    told: list[dict[str, Any]] = []
    x, y, tall = 0, 0, 0
    for row in ROWS:
        y, x, tall = y + tall, 0, 0
        told.append(
            _placed({"type": "row", "title": row.title, "collapsed": False}, len(told), (x, y, WIDTH, 1))
        )
        y += 1
        for panel in row.panels:
            width, height = (STAT_WIDTH, STAT_HEIGHT) if panel.stat else (GRAPH_WIDTH, GRAPH_HEIGHT)
            if x + width > WIDTH or (tall and height != tall):
                y, x = y + tall, 0
            told.append(_placed(_panel(panel, kind, influx=influx), len(told), (x, y, width, height)))
            x, tall = x + width, height
    return told


def _placed(panel: dict[str, Any], number: int, place: tuple[int, int, int, int]) -> dict[str, Any]:
    return {"id": number + 1, **panel, "gridPos": dict(zip(("x", "y", "w", "h"), place, strict=True))}


def _panel(panel: Panel, kind: str, *, influx: bool) -> dict[str, Any]:
    source = {"type": kind, "uid": "${datasource}"}
    alone = len(panel.names) == 1
    return {
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": "\n\n".join(f"{metric.name}: {metric.help}." for metric in panel.metrics),
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": {"lineWidth": 1, "showPoints": "never"}}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.stat else {"tooltip": {"mode": "multi"}},
        "targets": [
            _target(metric, chr(ord("A") + at), source, alone=alone, influx=influx) for at, metric in enumerate(panel.metrics)
        ],
    }  # fmt: skip


def _target(metric: Metric, ref: str, source: dict[str, str], *, alone: bool, influx: bool) -> dict[str, Any]:
    named = legend(metric, alone=alone, influx=influx)
    if influx:
        asked = {"query": influxql(metric), "rawQuery": True, "resultFormat": "time_series", "alias": named}
    else:
        asked = {"expr": promql(metric), "legendFormat": named}
    return {"refId": ref, "datasource": source, **asked}


def prometheus_rules() -> dict[str, Any]:
    """A rule file of Prometheus; `job` as in our scrape configuration."""
    gone = {
        "alert": ENGINE_GONE, "expr": 'up{job="gal-friday"} == 0 or absent(gal_friday_engine_halted)', "for": "1m",
        "labels": {"severity": "critical"}, "annotations": {"summary": ENGINE_GONE_SUMMARY},
    }  # fmt: skip
    rules = [
        {
            "alert": rule.name, "expr": promql_condition(rule), "for": f"{rule.minutes}m",
            "labels": {"severity": rule.severity}, "annotations": {"summary": rule.summary},
        }
        for rule in ALERTS
    ]  # fmt: skip
    return {"groups": [{"name": "gal-friday", "rules": [gone, *rules]}]}


def grafana_rules() -> dict[str, Any]:
    """The same for Grafana's own alerting, over InfluxDB."""
    beat = AlertRule(ENGINE_GONE, "gal_friday_engine_uptime_seconds", 0, 1, "critical", ENGINE_GONE_SUMMARY)
    rules = [_grafana_rule(beat, evaluator="lt", silent="Alerting")]
    rules += [_grafana_rule(rule, evaluator="gt", silent="OK") for rule in ALERTS]
    group = {"orgId": 1, "name": "gal-friday", "folder": "Gal-Friday", "interval": "30s", "rules": rules}
    return {"apiVersion": 1, "groups": [group]}


def _grafana_rule(rule: AlertRule, *, evaluator: str, silent: str) -> dict[str, Any]:
    """Ask, reduce to one number, compare: that of a counter is the sum of what it grew by."""
    span = SPAN_S.get(rule.within, 5 * MINUTE_S)
    return {
        "uid": f"gal-friday-{rule.name.lower()}",
        "title": rule.name,
        "condition": "C",
        "data": [
            {
                "refId": "A", "datasourceUid": INFLUX_UID, "relativeTimeRange": {"from": span, "to": 0},
                "model": {
                    "refId": "A", "rawQuery": True, "resultFormat": "time_series", "query": influxql_value(rule),
                },
            },
            _expression("B", {"type": "reduce", "expression": "A", "reducer": "sum" if rule.within else "last"}),
            _expression(
                "C",
                {
                    "type": "threshold", "expression": "B",
                    "conditions": [{"evaluator": {"type": evaluator, "params": [rule.above]}}],
                },
            ),
        ],
        "noDataState": silent,
        "execErrState": "Error",
        "for": f"{rule.minutes}m",
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.summary},
    }  # fmt: skip


def _expression(ref: str, model: dict[str, Any]) -> dict[str, Any]:
    return {"refId": ref, "datasourceUid": "__expr__", "model": {"refId": ref, **model}}
