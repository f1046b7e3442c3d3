"""Whether a retraining may begin: one for each cause and window, after a cool-down, within a budget.

Pure: what was asked before is given, and the time.
"""

from collections.abc import Iterable, Sequence
from math import fsum
from typing import Any, Literal, get_args

import msgspec

from gal_friday_core.drift.finding import Finding, worst
from gal_friday_core.retraining.settings import RetrainingConfig
from gal_friday_core.times import DAY_NS, HOUR_NS, to_iso

Cause = Literal["drift", "decay", "age", "data", "operator", "schedule", "correction", "run"]
CAUSES: tuple[Cause, ...] = get_args(Cause)
HAVE_RUNS: frozenset[Cause] = frozenset({"schedule", "correction", "run"})
"""Whoever asks for these starts the run as well."""

State = Literal["REQUESTED", "HELD_BACK", "STARTED", "REFUSED", "SHADOW", "READY", "PROMOTED", "FAILED"]
OPEN: frozenset[State] = frozenset({"REQUESTED", "STARTED", "SHADOW", "READY"})
"""While one is under way, nothing else of its type begins."""
UNBEGUN: frozenset[State] = frozenset({"REQUESTED", "HELD_BACK"})

NEXT: dict[State, frozenset[State]] = {
    "REQUESTED": frozenset({"STARTED", "FAILED"}),
    "HELD_BACK": frozenset(),
    "STARTED": frozenset({"REFUSED", "SHADOW", "FAILED"}),
    "SHADOW": frozenset({"READY", "PROMOTED", "REFUSED", "FAILED"}),
    "READY": frozenset({"PROMOTED", "REFUSED", "FAILED"}),
    "REFUSED": frozenset(),
    "PROMOTED": frozenset(),
    "FAILED": frozenset(),
}
"""What may follow what."""

WEEK_NS = 7 * DAY_NS
WINDOW_NS = DAY_NS
"""Requests of one cause within the same UTC day are one request."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants a model type trained again. `window` says what is the same request: see `window_of`.

    `trained`: its candidate is there already, so what training costs holds nothing back.
    """

    model_type: str
    model_id: str
    cause: Cause
    window: str
    reason: str
    info: dict[str, Any] = {}
    trained: bool = False


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as it stands. `started_ns` None until it began; `successor` once there is one."""

    run_id: str
    model_type: str
    model_id: str
    cause: Cause
    window: str
    reason: str
    requested_ns: int
    state: State
    started_ns: int | None = None
    cpu_s: float = 0.0
    successor: str | None = None
    dagster_run: str | None = None
    said: str = ""


def window_of(cause: Cause, model_id: str, now_ns: int) -> str:
    """Which requests are one: those of a cause about one version, on one UTC day.

    >>> window_of("drift", "m@v1", 0)
    'm@v1 1970-01-01'
    """
    del cause
    return f"{model_id} {to_iso(now_ns // WINDOW_NS * WINDOW_NS)[:10]}"


def held_back(request: Request, past: Sequence[Retraining], config: RetrainingConfig, now_ns: int) -> str:
    """Why a retraining may not begin now; empty where it may. `past`: of every model type."""
    own = [one for one in past if one.model_type == request.model_type]
    under_way = next((one for one in own if one.state in OPEN), None)
    if under_way is not None:
        return f"another is under way: {under_way.run_id} is {under_way.state}"
    return "" if request.trained else _too_often(own, past, config, now_ns)


def _too_often(
    own: Sequence[Retraining], past: Sequence[Retraining], config: RetrainingConfig, now_ns: int
) -> str:
    """What cool-down and budget say. `own`: those of its model type."""
    begun = [(one, one.started_ns) for one in own if one.started_ns is not None]
    if begun:
        since = now_ns - max(started for _, started in begun)
        if since < config.cool_down_h * HOUR_NS:
            return f"the last one began {since / HOUR_NS:.1f} h ago (retraining.cool_down_h: {config.cool_down_h:g})"
    lately = [one for one, started in begun if now_ns - started < WEEK_NS]
    if len(lately) >= config.runs_a_week:
        return f"{len(lately)} began within seven days (retraining.runs_a_week: {config.runs_a_week})"
    spent = fsum(one.cpu_s for one in past if now_ns - (one.started_ns or 0) < WEEK_NS) / 60
    if spent >= config.cpu_minutes_a_week:
        return f"{spent:.0f} processor minutes were spent within seven days (retraining.cpu_minutes_a_week)"
    return ""


def outlived(run: Retraining, config: RetrainingConfig, now_ns: int) -> str:
    """Why the shadow of a retraining is given up although nothing is decided; empty where it is not."""
    days = (now_ns - (run.started_ns or now_ns)) / DAY_NS
    if not config.max_shadow_days or days < config.max_shadow_days:
        return ""
    return f"begun {days:.0f} days ago, and nothing is decided yet (retraining.max_shadow_days)"


def asked_by(findings: Iterable[Finding]) -> tuple[Cause, str] | None:
    """The cause and its reason, where a look recommends training again; a broken input is repaired instead."""
    found = worst(one for one in findings if one.recommendation != "MONITOR")
    if found is None:
        return None
    cause: Cause = "decay" if found.drift_type == "PERFORMANCE_DRIFT" else "drift"
    return cause, f"{found.drift_type} {found.severity}: {found.metrics.get('reason', '')}"


def due(
    *, first_ns: int, last_ns: int, newest_ns: int, now_ns: int, config: RetrainingConfig
) -> tuple[Cause, str] | None:
    """Whether age or new data ask for it: a model that learnt bars from `first_ns` to `last_ns`, of bars up to `newest_ns`.

    Without newer bars nothing could be learnt, however old the model is.
    """
    if newest_ns <= last_ns:
        return None
    more = (newest_ns - last_ns) / max(last_ns - first_ns, 1)
    if config.new_data_share and more >= config.new_data_share:
        return "data", f"{more:.0%} more bars than it learnt from (retraining.new_data_share)"
    days = (now_ns - last_ns) / DAY_NS
    if config.max_age_days and days >= config.max_age_days:
        return "age", f"its newest bar is {days:.0f} days old (retraining.max_age_days)"
    return None
