"""What drift does: note, shrink, shadow only, roll back, halt; by type and severity, each step on record.

`decide` turns findings into the strictest step that the configuration asks for. What is in force is read from
append-only restrictions by `in_force`: a milder finding later never loosens what a worse one began. Only an
operator's release or a newly promoted version does.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from gal_friday_core.drift.finding import SEVERITIES, DriftType, Finding
from gal_friday_core.drift.settings import DriftConfig, Step, Steps
from gal_friday_core.times import to_iso

STEPS: tuple[Step, ...] = get_args(Step)
"""From mildest to strictest."""

Action = Literal["note", "shrink", "shadow_only", "roll_back", "halt", "release"]

HALT_REASON = "MODEL_DRIFT"
"""The code under which the step `halt` halts."""


class Decision(msgspec.Struct, frozen=True):
    """The strictest step that was asked for, and the finding that asked; None where nothing exceeded a threshold."""

    step: Step
    finding: Finding | None
    reason: str


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the record. `size_factor` in [0, 1] is the share of its size that a new buy may have.

    `model_id` is the version that it was imposed on: the restriction ends when another is promoted. `evidence`
    are the findings' fields. An operator's release is a row of its own.
    """

    model_type: str
    model_id: str
    step: Action
    size_factor: Decimal
    reason: str
    actor: str
    evidence: Mapping[str, Any]
    at_ns: int

    @property
    def trades(self) -> bool:
        """Whether entries may follow this model at all; exits always go on."""
        return self.step in {"note", "shrink", "release"}


def steps_of(drift_type: str, config: DriftConfig) -> Steps:
    """The four steps of a type, by severity."""
    by_type: dict[DriftType, Steps] = {
        "DATA_DRIFT": config.ladder_data,
        "PREDICTION_DRIFT": config.ladder_prediction,
        "CONCEPT_DRIFT": config.ladder_concept,
        "PERFORMANCE_DRIFT": config.ladder_performance,
    }
    return next(steps for name, steps in by_type.items() if name == drift_type)


def step_of(finding: Finding, config: DriftConfig) -> Step:
    """What one finding asks for; a finding below its threshold is noted, whatever the ladder says."""
    if not finding.threshold_exceeded:
        return "note"
    return steps_of(finding.drift_type, config)[SEVERITIES.index(finding.severity)]


def decide(findings: Iterable[Finding], config: DriftConfig) -> Decision:
    """The strictest step of several findings of one look; the first finding of those that ask for it."""
    strictest: Step = "note"
    asking: Finding | None = None
    for finding in findings:
        step = step_of(finding, config)
        if finding.threshold_exceeded and (asking is None or _rank(step) > _rank(strictest)):
            strictest, asking = step, finding
    if asking is None:
        return Decision("note", None, "no drift beyond its threshold")
    said = f"{asking.drift_type} {asking.severity}: {asking.metrics.get('reason', '')}".rstrip(": ")
    return Decision(strictest, asking, said)


def size_factor(step: Action, config: DriftConfig) -> Decimal:
    """The share of its size that a new buy may have under a step."""
    if step in {"note", "release"}:
        return Decimal(1)
    return config.shrink_factor if step == "shrink" else Decimal(0)


def restriction(
    decision: Decision, config: DriftConfig, *, model_type: str, model_id: str, actor: str, at_ns: int = 0
) -> Restriction:
    """The row to append for a decision; when it is written, the registry says."""
    evidence = {} if decision.finding is None else msgspec.to_builtins(decision.finding)
    return Restriction(
        model_type=model_type, model_id=model_id, step=decision.step,
        size_factor=size_factor(decision.step, config), reason=decision.reason, actor=actor,
        evidence=evidence, at_ns=at_ns,
    )  # fmt: skip


def in_force(rows: Iterable[Restriction], model_id: str) -> Restriction | None:
    """What holds for the version `model_id`, from its type's rows in the order they were written.

    The strictest row since the last release; of equals the latest, since it says the newest reason. None: nothing.
    """
    held: Restriction | None = None
    for row in rows:
        if row.model_id != model_id or row.step == "note":
            continue
        if row.step == "release":
            held = None
        elif held is None or _rank(row.step) >= _rank(held.step):
            held = row
    return held


def unfinished(rows: Iterable[Restriction], model_id: str, since_ns: int) -> Restriction | None:
    """The rollback that was decided against a version that came into production at `since_ns`, and is there still.

    None where none was, where it was released, or where the version was promoted again by name after it.
    """
    asked: Restriction | None = None
    for row in rows:
        if row.model_id == model_id and row.step == "release":
            asked = None
        elif row.model_id == model_id and row.step == "roll_back":
            asked = row
    return asked if asked is not None and asked.at_ns > since_ns else None


def news(
    rows: Sequence[Restriction], findings: Iterable[Finding], config: DriftConfig, model_id: str
) -> tuple[Decision, ...]:
    """What is to be appended after a look: a decision for each finding that exceeds its threshold, unless the last row
    of its type since the last release said the same severity and the same step.
    """
    said: dict[str, tuple[Any, Action]] = {}
    for row in rows:
        if row.model_id != model_id:
            continue
        if row.step == "release":
            said.clear()
        elif "drift_type" in row.evidence:
            said[row.evidence["drift_type"]] = (row.evidence["severity"], row.step)
    decisions = (decide((one,), config) for one in findings if one.threshold_exceeded)
    return tuple(
        one
        for one in decisions
        if one.finding is not None and said.get(one.finding.drift_type) != (one.finding.severity, one.step)
    )


def shown(held: Restriction | None) -> dict[str, Any] | None:
    """What holds, for a screen and for `--json`."""
    if held is None:
        return None
    return {
        "step": held.step, "size_factor": str(held.size_factor), "reason": held.reason, "actor": held.actor,
        "at": to_iso(held.at_ns),
    }  # fmt: skip


def release(model_type: str, model_id: str, *, actor: str, reason: str, at_ns: int = 0) -> Restriction:
    """The row by which an operator lifts what holds."""
    return Restriction(
        model_type=model_type, model_id=model_id, step="release", size_factor=Decimal(1), reason=reason,
        actor=actor, evidence={}, at_ns=at_ns,
    )  # fmt: skip


def _rank(step: Action) -> int:
    return STEPS.index(step) if step in STEPS else 0
