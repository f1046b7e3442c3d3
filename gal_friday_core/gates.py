"""From evidence to a verdict: `certify` puts every gate of a model into its certificate, `look_outside` comes before it.

It decides on what the sealed artifact says of itself, together with the two things that only the outside knows:
how the model in production does on the same unseen bars, and whether live bars give the same predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gal_friday_core import artifact
from gal_friday_core import gate_checks as checks
from gal_friday_core.candles import Candles
from gal_friday_core.certificate import Certificate
from gal_friday_core.config import Config, GatesConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.evidence.challenge import Challenge, challenge
from gal_friday_core.evidence.parity import Parity, lived, replay, together
from gal_friday_core.evidence.report import Evidence
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.predictor import Predictor
from gal_friday_core.validation import ValidationReport


@dataclass(frozen=True, slots=True)
class Outside:
    """What the artifact cannot know. `challenge` None: no model of this type is in production; `replay` None: not done."""

    challenge: Challenge | None = None
    replay: Parity | None = None


def certify(
    files: Mapping[str, bytes],
    gates: GatesConfig,
    outside: Outside,
    *,
    model_type: str | None = None,
    artifact_id: str | None = None,
) -> Certificate:
    """The certificate of a sealed artifact; the same files, limits and outside give the same bytes.

    `model_type` is the artifact's series where not given; `artifact_id` the id that the files must have. Raises
    ArtifactError for files that were altered, or that carry no evidence.
    """
    found = artifact.verify(files, artifact_id)
    report, evidence = report_of(files), evidence_of(files)
    said = artifact.from_json(artifact.METADATA, files[artifact.METADATA])
    features = artifact.from_json(artifact.FEATURES, files[artifact.FEATURES])
    judged = (
        *checks.walk_forward(report.pooled, gates),
        checks.beats_production(outside.challenge, gates),
        *checks.skill(evidence.sharpe, evidence.choice, gates),
        *checks.stress(evidence.stress, gates),
        checks.leakage(evidence.canary),
        checks.serving(int(said["parity"]["rows"]), int(said["parity"]["differing"])),
        checks.replayed(outside.replay),
        checks.untouched(found, len(files)),
        checks.calibrated(report.pooled, gates),
        checks.believable(evidence.quality),
    )
    return Certificate(
        model_type=model_type or str(said["series"]),
        artifact_sha256=found,
        series=str(said["series"]),
        feature_set=str(features["schema"]["name"]),
        schema_hash=str(said["schema_hash"]),
        label_set=str(said["label_set"]),
        label_hash=str(said["label_hash"]),
        data_version=str(said["data"]["candles_sha256"]),
        code_version=str(said["code_version"]),
        config_hash=str(said["config_hash"]),
        trials=evidence.sharpe.trials,
        incumbent=outside.challenge.incumbent if outside.challenge else None,
        gates=judged,
        passed=all(gate.passed for gate in judged),
    )


def look_outside(
    files: Mapping[str, bytes],
    candles: Candles,
    table: FeatureTable,
    config: Config,
    *,
    incumbent: Predictor | None = None,
    source: str = "stored candles",
    heard: FeatureTable | None = None,
    heard_from: str = "recorded live engines",
) -> Outside:
    """Replay the latest bars as live, and challenge the model in production on the holdout of both.

    `candles` of the whole series, `table` of its features; `source` names them in the certificate. `heard` are
    features as live engines had them, which `heard_from` names: they must be those of the table. Raises ArtifactError
    for files that cannot serve, SchemaMismatchError for features of another set.
    """
    model = Predictor.from_files(files, model_id="the candidate", model_type="", version=0)
    met = None
    if incumbent is not None:
        block_events = report_of(files).block_events
        met = challenge(model, incumbent, candles, table, config, block_events=block_events)
    replayed = replay(model, candles, table, config.validation.replayed_bars, source)
    if heard is not None:
        replayed = together(replayed, lived(table, heard, heard_from))
    return Outside(met, replayed)


def report_of(files: Mapping[str, bytes]) -> ValidationReport:
    """What walking forward gave. Raises ArtifactError for a report of another version."""
    try:
        return ValidationReport.from_dict(artifact.from_json(artifact.REPORT, files[artifact.REPORT]))
    except msgspec.ValidationError as error:
        raise ArtifactError(f"{artifact.REPORT}: {error}; train the model again") from None


def evidence_of(files: Mapping[str, bytes]) -> Evidence:
    """What was measured beside it. Raises ArtifactError where there is none."""
    content = files.get(artifact.EVIDENCE)
    if content is None:
        raise ArtifactError(f"{artifact.EVIDENCE}: missing; train the model again with this version")
    return Evidence.from_bytes(content)
