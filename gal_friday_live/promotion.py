"""What lets a model into production: a certificate that verifies and passed, or a decision signed by name.

Pure decisions and their documents; the registry reads and writes. Nothing serves on the word of the database
alone: certificates and overrides are signed, and what they say is bound to the artifact.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gal_friday_adapters.postgres.models import STAGES, ModelVersion, StageChange, StoredCertificate, Tenure
from gal_friday_adapters.signing import CERTIFICATE, OVERRIDE, Signature, SigningKeys
from gal_friday_core import artifact
from gal_friday_core.certificate import Certificate
from gal_friday_core.errors import ArtifactError, RegistryError

NO_CERTIFICATE = "it has no certificate: `gal-friday models certify` judges it"
LOWER = {"production": "staging", "staging": "development", "development": "archived"}
"""Where a demotion leads that names no stage."""


def read_certificate(keys: SigningKeys, model: ModelVersion, stored: StoredCertificate) -> Certificate:
    """The certificate of that model. Raises ArtifactError for one that was altered, or is another model's."""
    try:
        keys.check(CERTIFICATE, stored.document, [stored.signature])
        found = Certificate.from_bytes(stored.document)
    except ArtifactError as error:
        raise ArtifactError(f"certificate of {model.model_id}: {error}") from None
    require_own(found, model)
    return found


def require_own(certificate: Certificate, model: ModelVersion) -> None:
    """Raises ArtifactError unless it speaks of this model's bytes under this model's type."""
    said = certificate.model_type, certificate.artifact_sha256
    if said != (model.model_type, model.artifact):
        raise ArtifactError(
            f"certificate of {model.model_id}: it is that of {said[0]}, artifact {said[1][:12]}…; "
            "certify the model itself"
        )


def against(certificate: Certificate | None, production: ModelVersion | None) -> tuple[str, ...]:
    """Why a model may not replace the one in production; empty where it may."""
    if certificate is None:
        return (NO_CERTIFICATE,)
    if not certificate.passed:
        return certificate.reasons
    if production is None or certificate.incumbent == production.model_id:
        return ()
    compared = certificate.incumbent or "no other model"
    outdated = (
        f"its certificate compares it with {compared}, and {production.model_id} is in production now; "
        "`gal-friday models certify` judges it anew"
    )
    return (outdated,)


def predecessor(tenures: Iterable[Tenure]) -> str | None:
    """The model that was in production before the last one; rollbacks undo, so that they can be repeated.

    >>> predecessor([Tenure("a", False), Tenure("b", False), Tenure("c", False), Tenure("b", True)])
    'a'
    """
    stack: list[str] = []
    for tenure in tenures:
        if tenure.restored and tenure.model_id in stack:
            while stack[-1] != tenure.model_id:
                stack.pop()
        elif not stack or stack[-1] != tenure.model_id:
            stack.append(tenure.model_id)
    return stack[-2] if len(stack) > 1 else None


def demoted_to(model_id: str, present: str, wanted: str | None) -> str:
    """The stage below, or the one that is wanted. Raises RegistryError where that is no demotion."""
    below = _below(present)
    if not below:
        raise RegistryError(f"{model_id} is archived: there is no stage below")
    if wanted is None:
        return below[0]
    if wanted not in below:
        raise RegistryError(f"{model_id} is in {present}: a demotion leads to {' or '.join(below)}")
    return wanted


def _below(stage: str) -> list[str]:
    found = []
    while stage in LOWER:
        stage = LOWER[stage]
        found.append(stage)
    return found


def sign_override(keys: SigningKeys, model: ModelVersion, decision: tuple[str, str]) -> dict[str, str]:
    """What goes into the audit beside a decision, (actor, reason), to put a refused model into production."""
    key, value = keys.sign(OVERRIDE, _decision(model, *decision))
    return {"key": key, "signature": value.hex()}


def check_override(keys: SigningKeys, model: ModelVersion, events: Sequence[Mapping[str, Any]]) -> None:
    """Whether the last of the model's events is an override that was signed here. Raises ArtifactError."""
    last = events[-1]
    given = last["evidence"].get("override")
    if not last["override"] or not isinstance(given, Mapping):
        raise ArtifactError(
            f"model {model.model_id}: is in production without a certificate that passed or an override; "
            "demote it, then promote it again"
        )
    signature = Signature(str(given.get("key")), _bytes(given.get("signature")))
    try:
        keys.check(OVERRIDE, _decision(model, last["actor"], last["reason"]), [signature])
    except ArtifactError as error:
        raise ArtifactError(f"override of {model.model_id}: {error}") from None


def _decision(model: ModelVersion, actor: str, reason: str) -> bytes:
    said = {"model_id": model.model_id, "artifact": model.artifact, "actor": actor, "reason": reason}
    return artifact.to_json(said)


def _bytes(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        return b""


def shown(keys: SigningKeys, model: ModelVersion, stored: StoredCertificate | None) -> dict[str, Any] | None:
    """A certificate for people and for `--json`. One that does not verify shows its problem, and nothing it claims."""
    if stored is None:
        return None
    found: dict[str, Any] = {"verified": True, "problem": None, "key": stored.signature.key}
    try:
        found |= msgspec.to_builtins(read_certificate(keys, model, stored))
    except ArtifactError as error:
        found |= {"verified": False, "problem": str(error), "passed": False, "gates": []}
    return found


def overridden(change: StageChange, override: tuple[str, str] | None) -> StageChange:
    """By name, where an override was given."""
    if override is None:
        return change
    actor, reason = override
    return msgspec.structs.replace(change, actor=actor, reason=reason, override=True)


def check_stage(stage: str) -> None:
    """Raises RegistryError for one that there is not."""
    if stage not in STAGES:
        raise RegistryError(f"unknown stage {stage!r}: use one of {', '.join(STAGES)}")
