"""What the pipeline tells somebody: runs that fail, and checks that begin to fail or pass again.

Entry points: `PipelineAlerts` (the resource `alerts`), `failed_run`, `changed_checks`.
"""

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from gal_friday_adapters.alerts import AlertDispatch
from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.alerts import Alert

if TYPE_CHECKING:
    from gal_friday_assets.resources import Settings

DELIVER_WITHIN_S = 5.0
"""How long a sensor waits for its alerts; what takes longer is sent while the code server lives."""
AT_ONCE = 500
"""Evaluations that one look takes in."""


class PipelineAlerts:
    """Implements the `Alerts` port for a code server: the configuration is read with every alert, as with every run."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._configured: AlertsConfig | None = None
        self._dispatch: AlertDispatch | None = None
        self._told = True

    def raise_alert(self, alert: Alert) -> None:
        """Log it and send it; waits for the destinations for a moment, and not again before all was told: a sensor's tick
        that raises many would never end. Raises ConfigError as the configuration does.
        """
        dispatch = self._present()
        dispatch.raise_alert(alert)
        self._told = dispatch.drain(DELIVER_WITHIN_S if self._told else 0)

    def _present(self) -> AlertDispatch:
        wanted = self._settings.config.alerts
        if self._dispatch is None or wanted != self._configured:
            if self._dispatch is not None:
                self._dispatch.close(DELIVER_WITHIN_S)
            self._configured, self._dispatch = wanted, AlertDispatch(wanted)
            self._dispatch.start()
        return self._dispatch


class Seen(msgspec.Struct, frozen=True):
    """What a look at the checks leaves for the next one: the last evaluation's number, and the failing checks."""

    after: int
    failing: tuple[str, ...] = ()

    def cursor(self) -> str:
        return msgspec.json.encode(self).decode()


def seen(cursor: str | None, instance: dg.DagsterInstance) -> Seen:
    """What the last look saw. The first one begins now: what failed long ago is no news."""
    if cursor:
        return msgspec.json.decode(cursor, type=Seen)
    newest = _evaluations(instance, limit=1)
    return Seen(newest[0].storage_id if newest else 0)


def changed_checks(instance: dg.DagsterInstance, before: Seen) -> tuple[list[Alert], Seen]:
    """An alert for each check that failed and had not, or passes again, since then; in order."""
    failing, after, alerts = dict.fromkeys(before.failing), before.after, []
    for record in _evaluations(instance, after=before.after, ascending=True, limit=AT_ONCE):
        after = record.storage_id
        event = record.event_log_entry.dagster_event
        assert event is not None, "only evaluations were asked for"
        found = event.asset_check_evaluation_data
        name = "/".join(filter(None, (found.asset_key.to_user_string(), found.check_name, found.partition)))
        if found.passed == (name in failing):
            alerts.append(_check(name, found))
        failing.pop(name, None)
        if not found.passed:
            failing[name] = None
    return alerts, Seen(after, tuple(failing))


def failed_run(run: dg.DagsterRun, partitions: str, message: str) -> Alert:
    """A run that failed: what, on what, and its first error."""
    return Alert(
        code="RUN_FAILED", severity="warning", title=f"[pipeline] Run of {run.job_name} failed: {partitions}",
        text=f"run {run.run_id} of {run.job_name} on {partitions}: {' '.join(message.split())}",
        key=f"pipeline:RUN_FAILED:{run.job_name}:{partitions}",
    )  # fmt: skip


def _check(name: str, found: dg.AssetCheckEvaluation) -> Alert:
    grave = found.severity == dg.AssetCheckSeverity.ERROR
    figures = {key: value.value for key, value in found.metadata.items() if _is_short(value)}
    said = found.description or json.dumps(figures, default=str)
    return Alert(
        code="CHECK_PASSES" if found.passed else "CHECK_FAILED", severity="warning" if grave else "info",
        title=f"[pipeline] Check {'passes again' if found.passed else 'failed'}: {name}",
        text=" ".join(said.split()), key=f"pipeline:CHECK:{name}",
    )  # fmt: skip


def _is_short(value: dg.MetadataValue[Any]) -> bool:
    return isinstance(value.value, int | float | str | bool) and len(str(value.value)) <= 200


def _evaluations(
    instance: dg.DagsterInstance, *, limit: int, after: int | None = None, ascending: bool = False
) -> list[dg.EventLogRecord]:
    wanted = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=after)
    # Dagster has no other question for all checks at once; asked of the instance, it is deprecated.
    return list(instance.event_log_storage.get_event_records(wanted, limit=limit, ascending=ascending))
