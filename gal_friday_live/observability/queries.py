"""The same question in both languages: PromQL (Prometheus, VictoriaMetrics) and InfluxQL (InfluxDB)."""

from gal_friday_core.metrics import Metric
from gal_friday_live.observability.alerts import AlertRule

SELECTED = '{session=~"$session"}'


def promql(metric: Metric) -> str:
    """What a panel draws; of a counter its rate."""
    series = f"{metric.name}{SELECTED}"
    return f"rate({series}[$__rate_interval])" if metric.is_counter else series


def influxql(metric: Metric) -> str:
    """The same. A field that was not sent in an interval leaves a gap."""
    by = f', "{metric.label}"' if metric.label else ""
    value = f'last("{metric.field}")'
    if metric.is_counter:
        value = f'non_negative_derivative(max("{metric.field}"), 1s)'
    return (
        f'SELECT {value} FROM "{metric.measurement}" WHERE "session" =~ /^$session$/ AND $timeFilter '  # noqa: S608 - of our own names
        f'GROUP BY time($__interval), "session", "role"{by} fill(none)'
    )


def legend(metric: Metric, *, alone: bool, influx: bool) -> str:
    """What names a line: the label's value, where there is one, the field, where the panel has more than one, and the role."""
    of = _label(metric.label, influx=influx) if metric.label else ""
    role = _label("role", influx=influx)
    if of and alone:
        return f"{of} {role}"
    named = (
        metric.field.removesuffix("_total").removesuffix("_seconds").removesuffix("_bytes").replace("_", " ")
    )
    return " ".join(filter(None, (named, of, role)))


def _label(name: str, *, influx: bool) -> str:
    """Nothing, where a series has none of that name: a whole engine has no role."""
    return f"$tag_{name}" if influx else f"{{{{{name}}}}}"


def promql_condition(rule: AlertRule) -> str:
    """When the rule holds."""
    value = rule.metric.name
    return f"{f'increase({value}[{rule.within}])' if rule.within else value} > {rule.above:g}"


def influxql_value(rule: AlertRule) -> str:
    """The number that Grafana compares; counters begin anew with their process, which is no growth."""
    metric = rule.metric
    by = f', "{metric.label}"' if metric.label else ""
    value = f'last("{metric.field}")'
    if rule.within:
        value = f'non_negative_difference(last("{metric.field}"))'
    return f'SELECT {value} FROM "{metric.measurement}" WHERE $timeFilter GROUP BY time(30s), "session", "role"{by} fill(none)'  # noqa: S608 - of our own names
