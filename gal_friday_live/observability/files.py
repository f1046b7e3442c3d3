"""Which files there are and what makes each: a test holds those of the repository current."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import yaml

from gal_friday_core.metrics import reference
from gal_friday_live.observability.alerts import ALERTS, ENGINE_GONE, ENGINE_GONE_SUMMARY
from gal_friday_live.observability.grafana import dashboard, grafana_rules, prometheus_rules
from gal_friday_live.observability.queries import promql_condition

MADE = "# Made by python -m gal_friday_live.observability; a test holds it current.\n"

INTRODUCTION = """# Metrics

This page is made from the definitions in `gal_friday_core/metrics.py` (`python -m gal_friday_live.observability`); a test
holds it current. One definition serves all who carry the numbers:

- **InfluxDB 2**, or what takes its writes (VictoriaMetrics): set `timeseries.url`, `org`, `bucket` and `token`; the engine
  writes every `timeseries.every_s` seconds. The part of a name before the field is the measurement: `gal_friday_bus_backlog` is
  the field `backlog` of `gal_friday_bus`. VictoriaMetrics joins them to the same name again, so that its dashboards are
  Prometheus's. What waits is bounded (`timeseries.queue`), survives an outage of the server, and what is lost is counted
  (`gal_friday_outbox_lost_total`, destination `timeseries`). An engine never waits for it.
- **Prometheus** reads `/metrics` of the [dashboard](dashboard.md): from this machine over loopback, from elsewhere with
  `dashboard.metrics_token`. `deploy/prometheus/prometheus.yaml` is a scrape configuration. Without an engine it answers 503. A
  dashboard of several roles (`--engine`) tells the numbers of all, and who is silent (`gal_friday_dashboard_silent`).
- **The control socket** answers `{"command": "metrics"}` with the same numbers, nested by measurement and field.

Each series has the labels (tags) `mode` and `session`, and at most one more, which the tables name. The roles of a
[split engine](split.md) tell their numbers under the same names and the account's session, with the label `role`: `trader`, `decision`,
`alpha`, or `alpha NAME`. Each tells what it has; account and positions are the trader's to tell, so that none counts twice. Names that end in `_total`
only grow while the process lives; all others are what they are now. Quote is the currency that the account counts in.

What is read costs the engine about a millisecond each time, mostly percentiles; nothing is measured per event for it that was
not before, but two clock reads an order, and two a garbage collection.

## Dashboards and alerts

`deploy/grafana` is a provisioning directory: mount it as `/etc/grafana/provisioning`. It holds one dashboard for InfluxDB and one
for Prometheus or VictoriaMetrics, the source, and the alert rules below over InfluxDB. `deploy/prometheus` has the same
rules for Prometheus. Every query of every panel and rule is run by the tests against real servers (VictoriaMetrics,
Prometheus and InfluxDB 1.6 as Debian packages them). Grafana itself was never run with them: Grafana's own model of a dashboard
(`grafana-foundation-sdk` 10.1) reads both files and writes them again without losing a key or a value.

| Alert | Severity | When, in PromQL | For | What it says |
|---|---|---|---|---|
"""

SCRAPE: Final = {
    "global": {"scrape_interval": "10s", "evaluation_interval": "10s"},
    "rule_files": ["alerts.yaml"],
    "scrape_configs": [
        {
            "job_name": "gal-friday",
            "metrics_path": "/metrics",
            "static_configs": [{"targets": ["127.0.0.1:8787"]}],
        }
    ],
}
SOURCE: Final = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Gal-Friday InfluxDB",
            "uid": "gal-friday-influxdb",
            "type": "influxdb",
            "access": "proxy",
            "url": "http://influxdb:8086",
            "jsonData": {"dbName": "gal_friday", "httpMode": "GET", "httpHeaderName1": "Authorization"},
            "secureJsonData": {"httpHeaderValue1": "Token $__file{/run/secrets/influx_token}"},
        }
    ],
}
PROVIDER: Final = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "gal-friday",
            "folder": "Gal-Friday",
            "type": "file",
            "options": {"path": "/etc/grafana/provisioning/dashboards"},
        }
    ],
}


def metrics_page() -> str:
    """docs/metrics.md."""
    gone = f'| {ENGINE_GONE} | critical | `up{{job="gal-friday"}} == 0`, or no number at all | 1 min | {ENGINE_GONE_SUMMARY} |\n'
    rows = "".join(
        f"| {rule.name} | {rule.severity} | `{promql_condition(rule)}` | {f'{rule.minutes} min' if rule.minutes else 'at once'} | {rule.summary} |\n"
        for rule in ALERTS
    )
    return f"{INTRODUCTION}{gone}{rows}\n## All of them\n\n{reference()}"


def _json(made: Callable[[], Any]) -> str:
    return json.dumps(made(), indent=1, ensure_ascii=False) + "\n"


def _yaml(made: Callable[[], Any]) -> str:
    return MADE + yaml.safe_dump(made(), sort_keys=False, allow_unicode=True, width=120)


FILES: Final[Mapping[str, Callable[[], str]]] = {
    "docs/metrics.md": metrics_page,
    "deploy/grafana/dashboards/gal-friday-influxdb.json": partial(_json, partial(dashboard, influx=True)),
    "deploy/grafana/dashboards/gal-friday-prometheus.json": partial(_json, partial(dashboard, influx=False)),
    "deploy/grafana/dashboards/gal-friday.yaml": partial(_yaml, lambda: PROVIDER),
    "deploy/grafana/datasources/gal-friday.yaml": partial(_yaml, lambda: SOURCE),
    "deploy/grafana/alerting/gal-friday.yaml": partial(_yaml, grafana_rules),
    "deploy/prometheus/alerts.yaml": partial(_yaml, prometheus_rules),
    "deploy/prometheus/prometheus.yaml": partial(_yaml, lambda: SCRAPE),
}
