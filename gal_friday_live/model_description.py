"""What a registration says about a model: read from the artifact, completed by the caller, never against it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gal_friday_adapters.postgres.models import ModelVersion, NewModel
from gal_friday_core import artifact
from gal_friday_core.errors import RegistryError
from gal_friday_core.predictor import Predictor
from gal_friday_core.times import from_iso, to_iso

NO_VERDICT = "it has no validation verdict"


def describe(files: Mapping[str, bytes], metadata: Mapping[str, Any], *, actor: str) -> NewModel:
    """The registry's row for sealed `files`; it must load as a predictor.

    `metadata` may give model_type (the candle series by default), data_version, more metrics, and anything
    else worth keeping. Raises ArtifactError for files that cannot serve, RegistryError where `metadata`
    contradicts them.
    """
    model_type = metadata.get("model_type")
    predictor = Predictor.from_files(
        files, model_id="to be registered", model_type=str(model_type), version=0
    )
    own = artifact.from_json(artifact.METADATA, files[artifact.METADATA])
    report = artifact.from_json(artifact.REPORT, files[artifact.REPORT])
    passed, reasons = _verdict(report.get("verdict"), metadata.get("verdict"))
    return NewModel(
        model_type=str(model_type or predictor.metadata.series),
        artifact=artifact.artifact_id(files),
        size=sum(map(len, files.values())),
        schema_hash=_agreed("schema_hash", predictor.schema_hash, metadata),
        data_version=str(metadata.get("data_version") or own["data"].get("candles_sha256") or "unknown"),
        code_version=_agreed("code_version", predictor.metadata.code_version, metadata),
        config_hash=_agreed("config_hash", predictor.metadata.config_hash, metadata),
        passed=passed,
        reasons=reasons,
        metadata={**own, **metadata},
        metrics=_finite({**metadata.get("metrics", {}), **_scores(report.get("pooled", {}))}),
        actor=actor,
    )


def _agreed(name: str, own: str, metadata: Mapping[str, Any]) -> str:
    given = metadata.get(name, own)
    if given != own:
        raise RegistryError(f"{name}: registered as {given!r}, but the artifact says {own!r}; leave it out")
    return own


def _verdict(own: Any, given: Any) -> tuple[bool, tuple[str, ...]]:
    """The report inside the artifact is the certificate; nobody may claim a better one."""
    stated = [_read_verdict(verdict) for verdict in (own, given) if verdict is not None]
    if not stated:
        return False, (NO_VERDICT,)
    if len(set(stated)) > 1:
        raise RegistryError(
            f"the verdict given at registration (passed: {stated[1][0]}) is not the one in "
            f"{artifact.REPORT} (passed: {stated[0][0]}); leave it out"
        )
    return stated[0]


def _read_verdict(verdict: Any) -> tuple[bool, tuple[str, ...]]:
    """`{"passed": bool, "reasons": […]}`, or an object with those attributes."""
    if isinstance(verdict, Mapping):
        passed, reasons = verdict.get("passed"), verdict.get("reasons", ())
    else:
        passed, reasons = getattr(verdict, "passed", None), getattr(verdict, "reasons", ())
    if not isinstance(passed, bool) or isinstance(reasons, str):
        raise RegistryError("verdict: give {'passed': true or false, 'reasons': [text, …]}")
    listed = tuple(str(reason) for reason in reasons)
    return passed, listed if passed else listed or ("its validation gates were not passed",)


def _scores(pooled: Mapping[str, Any]) -> dict[str, Any]:
    """The report's out-of-sample scores; an estimate gives its value and both ends of its interval."""
    found: dict[str, Any] = {}
    for name, score in pooled.items():
        if isinstance(score, Mapping):
            found[name] = score.get("value")
            found |= {f"{name}_{end}": score.get(end) for end in ("low", "high")}
        else:
            found[name] = score
    return found


def _finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Finite numbers by name; None is unknown, and left out."""
    known = {name: value for name, value in metrics.items() if value is not None}
    for name, value in known.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RegistryError(f"metric {name}: {value!r} is not a finite number; use None for unknown")
    return {name: float(value) for name, value in known.items()}


def verdict_of(model: ModelVersion) -> dict[str, Any]:
    """What its validation said."""
    return {"passed": model.passed, "reasons": list(model.reasons)}


def summary_of(model: ModelVersion) -> dict[str, Any]:
    """A version in a list."""
    return {
        "model_id": model.model_id,
        "model_type": model.model_type,
        "version": model.version,
        "stage": model.stage,
        "created_at": iso(model.created_at),
        "verdict": verdict_of(model),
        "metrics": dict(model.metrics),
    }


def iso(moment: datetime) -> str:
    """As the product writes times."""
    return to_iso(from_iso(moment.isoformat()))
