"""Runs that fail and checks that begin to fail are told, once, to whoever is to hear them."""

import json
import logging

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.alerts import AlertDispatch
from gal_friday_adapters.lake import CandleLake
from gal_friday_assets import alerting
from gal_friday_assets.alerting import AT_ONCE, PipelineAlerts, Seen, changed_checks, seen
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.alerts import Alert
from gal_friday_core.candles import Candles
from sensors.failures import failing_checks, run_failure
from tests.adapters.alert_servers import Webhook


class Told:
    """An `Alerts` port that keeps what it hears."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def raise_alert(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def take(self) -> list[str]:
        said, self.alerts = [str(alert) for alert in self.alerts], []
        return said


def broken(lake: CandleLake, instance: dg.DagsterInstance, stored: Candles) -> dg.ExecuteInProcessResult:
    """A refresh of a series whose price never moves, which its checks refuse."""
    frozen = np.full(len(stored), 1_000.0)
    lake.write(Candles(stored.series, stored.ts, *[frozen] * 4, np.zeros(len(stored)), stored.trades))
    return defs.resolve_job_def("refresh").execute_in_process(
        instance=instance, tags=range_tags(stored.series, "2017-01", "2017-02"), raise_on_error=False
    )


def tick(instance: dg.DagsterInstance, told: Told, cursor: str | None) -> str:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=defs, resources={"alerts": told}
    )
    result = failing_checks(context)
    assert isinstance(result, dg.SensorResult)
    return str(result.cursor)


def test_a_destination_that_does_not_answer_is_waited_for_once_and_not_for_every_alert(
    monkeypatch: pytest.MonkeyPatch,
):
    waits: list[float] = []
    drain = AlertDispatch.drain

    def counted(dispatch: AlertDispatch, within_s: float) -> bool:
        waits.append(within_s)
        return drain(dispatch, within_s)

    monkeypatch.setattr(AlertDispatch, "drain", counted)
    monkeypatch.setattr(alerting, "DELIVER_WITHIN_S", 0.2)
    with Webhook() as hook:
        hook.open.clear()
        monkeypatch.setenv("GAL_FRIDAY__ALERTS__WARNING_URLS", json.dumps([hook.url]))
        alerts = PipelineAlerts(Settings())
        for number in range(20):
            text = f"alert {number}"
            alerts.raise_alert(Alert(code="CHECK", severity="warning", title=text, text=text, key=text))
        hook.open.set()
        hook.arrived.wait(1)
    assert waits == [0.2] + 19 * [0]


def test_a_failed_run_and_its_failed_checks_are_told_and_its_log_is_one_line(
    lake: CandleLake,
    instance: dg.DagsterInstance,
    stored: Candles,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    before = tick(instance, told := Told(), None)
    failed = broken(lake, instance, stored)
    with Webhook() as hook, caplog.at_level(logging.INFO, "gal_friday.alerts"):
        monkeypatch.setenv("GAL_FRIDAY__ALERTS__WARNING_URLS", json.dumps([hook.url]))
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failure",
            dagster_instance=instance,
            dagster_run=failed.dagster_run,
            dagster_event=failed.get_run_failure_event(),
            resources={"alerts": PipelineAlerts(Settings())},
        ).for_run_failure()
        run_failure(context)
        (posted,) = hook.arrived.all
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gal_friday.alerts"]
    for said in (line, posted["message"]):
        assert failed.run_id in said
        assert stored.series.key in said
    assert "\n" not in line
    assert posted["title"].startswith("Gal-Friday Warning: [pipeline] Run of refresh failed: 2017-01")
    tick(instance, told, before)
    assert any(said.startswith("Warning: [pipeline] Check failed: candles/") for said in told.take())


def evaluation(
    instance: dg.DagsterInstance, *, passed: bool, partition: str = "a", grave: bool = True
) -> None:
    """One check, evaluated by a run."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
    def prices() -> None: ...

    @dg.asset_check(asset=prices)
    def moves() -> dg.AssetCheckResult:
        severity = dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(passed=passed, severity=severity, metadata={"flat_bars": 7})

    job = dg.Definitions(
        assets=[prices], asset_checks=[moves], jobs=[dg.define_asset_job("all", "*")]
    ).resolve_job_def("all")
    assert job.execute_in_process(instance=instance, partition_key=partition).success


def test_a_check_is_told_when_it_begins_to_fail_and_when_it_passes_again(instance: dg.DagsterInstance):
    cursor = tick(instance, told := Told(), None)
    for passed, said in (
        (True, []),
        (False, ["Warning: [pipeline] Check failed: prices/moves"]),
        (False, []),
        (True, ["Warning: [pipeline] Check passes again: prices/moves"]),
        (True, []),
    ):
        evaluation(instance, passed=passed)
        cursor = tick(instance, told, cursor)
        assert told.take() == said


def test_a_check_that_only_warns_is_news_and_its_figures_are_told(instance: dg.DagsterInstance):
    evaluation(instance, passed=False, grave=False)
    (alert,), _ = changed_checks(instance, Seen(0))
    assert (alert.severity, alert.code, alert.text) == ("info", "CHECK_FAILED", '{"flat_bars": 7}')


def test_the_first_look_tells_nothing_of_the_past_and_a_look_is_bounded(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    evaluation(instance, passed=False)
    begun = seen(None, instance)
    assert changed_checks(instance, begun) == ([], begun)
    assert seen(begun.cursor(), instance) == begun
    monkeypatch.setattr("gal_friday_assets.alerting.AT_ONCE", 1)
    evaluation(instance, passed=True)
    evaluation(instance, passed=False)
    first, between = changed_checks(instance, begun)
    second, end = changed_checks(instance, between)
    assert ([len(first), len(second)], AT_ONCE) == ([0, 1], 500)
    assert end.failing == ("prices/moves",)


def test_another_destination_is_taken_up_without_a_restart(
    data_home: object, monkeypatch: pytest.MonkeyPatch
):
    alerts = PipelineAlerts(Settings())
    alert = Alert(code="RUN_FAILED", severity="warning", title="failed", text="x", key="x")
    alerts.raise_alert(alert)
    with Webhook() as hook:
        monkeypatch.setenv("GAL_FRIDAY__ALERTS__INFO_URLS", json.dumps([hook.url]))
        alerts.raise_alert(alert)
        assert [posted["title"] for posted in hook.arrived.all] == ["Gal-Friday Warning: failed"]
