"""From drift to a successor: noticed, asked for once, judged in the shadow, promoted (001 §2.15).

Nothing is promoted by accident: a successor needs a certificate against the model in production and a shadow period
in which it did no worse, and with `retraining.promote: ask` (the default) an operator as well.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.retrainings import RetrainingRepository
from gal_friday_core.candles import Series
from gal_friday_core.drift.delay import Scored
from gal_friday_core.drift.ladder import in_force, news, shown, unfinished
from gal_friday_core.drift.looks import DriftRecords, Look, Watched, look
from gal_friday_core.errors import ArtifactError, DataError, RegistryError
from gal_friday_core.live_answers import answers_of
from gal_friday_core.ports import Clock
from gal_friday_core.retraining.policy import (
    CAUSES,
    Request,
    Retraining,
    asked_by,
    held_back,
    outlived,
    window_of,
)
from gal_friday_core.retraining.shadow import ShadowResult, compare
from gal_friday_core.times import DAY_NS, from_iso, to_iso
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.drift_detector import DriftDetector
from gal_friday_live.model_registry import ModelRegistry

log = logging.getLogger(__name__)

ACTOR = "retraining"
"""Who a promotion was made by that nobody's hand was on."""


ANSWERED_DAYS: Final = 30
"""So far back a request for a retraining looks at what became of the model's signals."""


class RetrainingRecords(DriftRecords, Protocol):
    """What models were seen to do."""

    async def scored(self, model_id: str, now_ns: int) -> Scored:
        """Recorded predictions of a version with what became of them."""
        ...


class RetrainingPipeline:
    """Decides; what is trained, the job `retrain` trains. `records` are of the models in production and in staging."""

    def __init__(
        self,
        config: ConfigurationManager,
        model_registry: ModelRegistry,
        *,
        database: Database,
        records: RetrainingRecords,
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._settings = config.config.retraining
        self._drift = config.config.drift
        self._registry = model_registry
        self._runs = RetrainingRepository(database)
        self._records = records
        self._lines = LiveRecords(database)
        self._clock = clock or SystemClock()
        self._detector = DriftDetector(config, records=records, clock=self._clock)

    async def detect_drift(self, model_id: str, recent_data: Watched | None = None) -> dict[str, Any]:
        """One look, of what is recorded or of `recent_data`, and the step of the ladder that follows, which is taken."""
        return (await self.look(model_id, recent_data))[1]

    async def look(self, model_id: str, recent_data: Watched | None = None) -> tuple[Look, dict[str, Any]]:
        """The same with all that was measured. The answer: findings, what `restriction` holds now, and the `cause` for
        which training again is recommended, if it is.
        """
        if recent_data is None:
            seen = await self._detector.look(model_id)
        else:
            seen = await asyncio.to_thread(look, recent_data, self._clock.now_ns(), self._drift)
        rows = await self._registry.restrictions(model_id)
        steps = news(rows, seen.findings, self._drift, model_id)
        held = in_force(rows, model_id)
        if steps:
            held = await self._registry.restrict_model(model_id, steps, actor=ACTOR)
        await self._finish_rollback(model_id)
        asked = asked_by(seen.findings)
        return seen, {
            "model_id": model_id,
            "at": to_iso(seen.at_ns),
            "findings": [msgspec.to_builtins(one) for one in seen.findings],
            "steps": [one.step for one in steps],
            "restriction": shown(held),
            "cause": asked[0] if asked else None,
            "reason": asked[1] if asked else None,
        }

    async def _finish_rollback(self, model_id: str) -> None:
        """Put back the model before, where that was decided and whoever decided it was cut off before doing it."""
        known = await self._registry.get_model_metadata(model_id)
        if known["stage"] != "production":
            return
        since = next(event["ts"] for event in reversed(known["history"]) if event["stage"] == "production")
        asked = unfinished(await self._registry.restrictions(model_id), model_id, from_iso(since))
        if asked is None:
            return
        try:
            await self._registry.rollback_model(
                known["model_type"], actor=ACTOR, reason=asked.reason, instead_of=model_id
            )
        except (RegistryError, ArtifactError) as error:
            log.warning("%s is not rolled back, and trades nothing: %s", model_id, error)

    async def trigger_retraining(self, model_id: str, drift_info: Mapping[str, Any]) -> str:
        """Ask for a successor; the id of the retraining, which `runs` tells more of. As `ask`."""
        return (await self.ask(model_id, drift_info)).run_id

    async def ask(self, model_id: str, drift_info: Mapping[str, Any], *, trained: bool = False) -> Retraining:
        """Ask for a successor; the request as it stands then.

        `drift_info` as `detect_drift` gives it, or any `cause` and `reason`, and a `window` of its own. The same cause
        within a day is the same request; one that came too soon, or beyond the budget, is on record as HELD_BACK.
        `trained`: there is a candidate already. Raises RegistryError.
        """
        cause, reason = drift_info.get("cause") or "operator", drift_info.get("reason") or "asked for by name"
        if cause not in CAUSES:
            raise RegistryError(f"unknown cause {cause!r}: use one of {', '.join(CAUSES)}")
        model = await self._registry.get_model(model_id, stage=None)
        now_ns = self._clock.now_ns()
        asked = Request(
            model_type=model.model_type, model_id=model_id, cause=cause, reason=reason, trained=trained,
            window=drift_info.get("window") or window_of(cause, model_id, now_ns),
            info={
                **{name: drift_info[name] for name in ("findings", "at") if name in drift_info},
                "answers": await self._answers(model_id, now_ns),
            },
        )  # fmt: skip
        return await self._runs.request(asked, lambda past: held_back(asked, past, self._settings, now_ns))

    async def _answers(self, model_id: str, now_ns: int) -> dict[str, object]:
        """What became of the model's signals lately: how many were refused, and why, and how many filled."""
        series = Series.parse(model_id.partition("@")[0])
        lines = await self._lines.traded(series, now_ns - ANSWERED_DAYS * DAY_NS, now_ns)
        return answers_of(lines, [model_id])[model_id].told()

    async def validate_retrained_model(
        self, model_id: str, validation_data: ShadowResult | None = None
    ) -> dict[str, Any]:
        """What speaks for a successor and against it: certificate, and shadow (what is recorded, or `validation_data`).

        `improved` where nothing speaks against it; `decided` once waiting longer would change nothing.
        """
        model = await self._registry.get_model(model_id, stage=None)
        incumbent = await self.incumbent(model.model_type, model_id)
        against = await self._uncertified(model_id, incumbent)
        shadow = validation_data or await self._shadow(model_id, incumbent)
        reasons = [*against, *([] if shadow.passed else [shadow.reason])]
        return {
            "model_id": model_id,
            "incumbent": incumbent,
            "certified": not against,
            "shadow": msgspec.to_builtins(shadow),
            "reasons": reasons,
            "decided": bool(against) or shadow.over,
            "improved": not reasons,
        }

    async def deploy_if_improved(self, old_model_id: str, new_model_id: str) -> bool:
        """Promote the successor where everything speaks for it, by the actor `retraining`; a running engine swaps.

        False where anything speaks against it, or `old_model_id` is not what it would replace any more.
        """
        found = await self.validate_retrained_model(new_model_id)
        if not found["improved"] or found["incumbent"] not in (old_model_id, None):
            return False
        shown_gain = found["shadow"]["reason"]
        return await self._registry.promote_model(
            new_model_id, "production", actor=ACTOR, evidence={"shadow": found["shadow"]},
            reason=f"its certificate passed, and in the shadow: {shown_gain}",
        )  # fmt: skip

    async def runs(self, model_type: str | None = None) -> list[Retraining]:
        """Every retraining, in the order they were asked for."""
        return await self._runs.runs(model_type)

    async def begun(self, run_id: str, dagster_run: str) -> None:
        """A run trains it now; told twice is told once."""
        (found,) = [one for one in await self._runs.runs() if one.run_id == run_id]
        if found.state == "REQUESTED":
            await self._runs.step(run_id, "STARTED", f"run {dagster_run}", {"dagster_run": dagster_run})

    async def failed(self, run_id: str, why: str) -> None:
        """It came to nothing."""
        await self._runs.step(run_id, "FAILED", why)

    async def trained(self, run_id: str, model_id: str, *, cpu_s: float) -> dict[str, Any]:
        """The candidate of a run: into the shadow where its certificate passed, refused otherwise; where it is now."""
        model = await self._registry.get_model(model_id, stage=None)
        incumbent = await self.incumbent(model.model_type, model_id)
        reasons = list(await self._uncertified(model_id, incumbent))
        if model.stage == "production":
            reasons.append("the same bytes are in production already")
        if not reasons:
            reasons += await self._into_shadow(model_id)
        details = {"successor": model_id, "cpu_s": cpu_s}
        if reasons:
            await self._runs.step(run_id, "REFUSED", "; ".join(reasons), details)
        else:
            await self._runs.step(run_id, "SHADOW", "its certificate passed", details)
        return {"shadow": not reasons, "reasons": reasons, "production": incumbent or ""}

    async def _into_shadow(self, model_id: str) -> tuple[str, ...]:
        """Why it may not be watched: staging asks for the verdict of the walk-forward, beside the certificate."""
        try:
            await self._registry.promote_model(
                model_id, "staging", actor=ACTOR, reason="a retraining: its shadow period begins"
            )
        except RegistryError as error:
            return (str(error),)
        return ()

    async def review(self, run: Retraining) -> dict[str, Any] | None:
        """How the shadow of a retraining stands; None where it has none. What is decided is done.

        A successor that did worse leaves the shadow. One that did not is promoted, or waits to be (`READY`).
        """
        if run.state not in {"SHADOW", "READY"} or run.successor is None:
            return None
        model = await self._registry.get_model(run.successor, stage=None)
        if model.stage == "production":
            await self._runs.step(run.run_id, "PROMOTED", "promoted by name")
            return None
        if model.stage != "staging":
            await self._runs.step(
                run.run_id, "REFUSED", f"{run.successor} was taken out of the shadow by name"
            )
            return None
        found = await self.validate_retrained_model(run.successor)
        if found["improved"]:
            await self._promote(run, found)
        else:
            await self._give_up(run, run.successor, found)
        return found

    async def _give_up(self, run: Retraining, successor: str, found: Mapping[str, Any]) -> None:
        """Out of the shadow with what is decided against, or undecided for too long."""
        late = outlived(run, self._settings, self._clock.now_ns())
        if not found["decided"] and not late:
            return
        reasons = [*found["reasons"], *([] if found["decided"] else [late])]
        await self._registry.demote_model(successor, actor=ACTOR, reason=reasons[-1])
        await self._runs.step(run.run_id, "REFUSED", "; ".join(reasons))

    async def _promote(self, run: Retraining, found: Mapping[str, Any]) -> None:
        said = found["shadow"]["reason"]
        if self._settings.promote == "ask":
            await self._runs.step(run.run_id, "READY", f"{said}: `gal-friday models promote {run.successor}`")
        elif await self.deploy_if_improved(found["incumbent"] or "", str(run.successor)):
            await self._runs.step(run.run_id, "PROMOTED", said)

    async def incumbent(self, model_type: str, successor: str | None = None) -> str | None:
        """The version in production that a successor would replace; None where none is, or it is the successor itself."""
        found = await self._registry.list_models("production", model_type=model_type)
        return next((one["model_id"] for one in found if one["model_id"] != successor), None)

    async def _uncertified(self, model_id: str, incumbent: str | None) -> tuple[str, ...]:
        """Why its certificate does not let it replace the incumbent."""
        try:
            certificate = await self._registry.get_certificate(model_id)
        except ArtifactError as error:
            return (str(error),)
        if certificate is None:
            return ("it has no certificate",)
        if certificate.passed and incumbent not in (None, certificate.incumbent):
            compared = certificate.incumbent or "no other model"
            return (f"its certificate compares it with {compared}, and {incumbent} is in production now",)
        return () if certificate.passed else certificate.reasons

    async def _shadow(self, model_id: str, incumbent: str | None) -> ShadowResult:
        now_ns = self._clock.now_ns()
        other = None
        try:
            if incumbent is not None:
                other = await self._records.scored(incumbent, now_ns)
            return compare(await self._records.scored(model_id, now_ns), other, now_ns, self._settings)
        except DataError as error:
            return ShadowResult(
                over=False, passed=False, days=0, predictions=0, labels=0, gain=None, reason=str(error)
            )
