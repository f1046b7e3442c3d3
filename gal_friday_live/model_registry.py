"""The model registry: what was trained, what may trade, and who decided so (001 §2.13, 000 §4.2).

Rows live in PostgreSQL, files in the artifact store; both verify themselves, and the signature over the files'
manifest says who registered them. The engine reads it through
the port `Models`: `production`, `by_id`, `promotions`.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec
import stamina

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import artifacts_dir, keys_dir
from gal_friday_adapters.postgres.database import DatabaseManager
from gal_friday_adapters.postgres.models import (
    STAGES,
    ModelMetadataRepository,
    ModelVersion,
    StageChange,
)
from gal_friday_adapters.signing import ARTIFACT, SigningKeys
from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, RegistryError, StorageError
from gal_friday_core.payloads import ModelLifecycle
from gal_friday_core.predictor import Predictor
from gal_friday_core.times import from_iso, to_iso
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_description import describe

CHANNEL = "model_promoted"


class ModelArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version with its verified files."""

    model_id: str
    model_type: str
    version: int
    stage: str
    artifact_id: str
    files: Mapping[str, bytes]
    metadata: Mapping[str, Any]

    def predictor(self) -> Predictor:
        """Raises ArtifactError where the files cannot serve."""
        return Predictor.from_files(
            self.files, model_id=self.model_id, model_type=self.model_type, version=self.version
        )


class ModelRegistry:
    """Versions, stages and artifacts of models. `bus` is told of each change this object makes."""

    def __init__(
        self,
        config: ConfigurationManager,
        database: DatabaseManager,
        *,
        artifacts: ArtifactStore | None = None,
        bus: PubSubManager | None = None,
        keys: SigningKeys | None = None,
    ) -> None:
        self._database = database
        self._models = ModelMetadataRepository(database)
        self._artifacts = artifacts or ArtifactStore(artifacts_dir(config.config))
        self._bus = bus
        self._keys = keys or SigningKeys(keys_dir(self._artifacts.root), config.config.storage.trusted_keys)

    async def register_model(
        self, model_artifact: Mapping[str, bytes], metadata: Mapping[str, Any], *, actor: str = "pipeline"
    ) -> str:
        """Sign and store the sealed files of a model; its id, `{model_type}@v{n}`, in stage development.

        The same bytes of the same type keep the id they have. `metadata`: see `model_description.describe`.
        Raises ArtifactError, ConfigError, RegistryError, StorageError; then no model was registered.
        """
        model = describe(model_artifact, metadata, actor=actor)
        await asyncio.to_thread(self._artifacts.put, model_artifact)
        signature = await asyncio.to_thread(self._keys.sign, ARTIFACT, model_artifact[artifact.MANIFEST])
        model_id, is_new = await self._models.register(model, signature)
        if is_new:
            await self._publish("REGISTERED", await self._models.version(model_id), None)
        return model_id

    async def promote_model(
        self,
        model_id: str,
        stage: str,
        *,
        actor: str = "pipeline",
        reason: str = "its validation gates were passed",
        override: tuple[str, str] | None = None,
        evidence: Mapping[str, Any] | None = None,
        expected_lock: int | None = None,
    ) -> bool:
        """Move a model to a stage, atomically and audited; False when it is there already.

        A model goes to production only if its files verify; the one it replaces is archived. A verdict that
        did not pass needs `override=(actor, reason)`. `expected_lock` makes it conditional on nothing having
        changed since `get_model_metadata` returned that lock version.
        Raises RegistryError with the reasons of a refusal, ArtifactError for damaged files.
        """
        _check_stage(stage)
        model = await self._models.version(model_id)
        if stage == "production":
            (await self._load(model)).predictor()
        actor, reason = override or (actor, reason)
        change = StageChange(
            model_id=model_id,
            stage=stage,
            actor=actor,
            reason=reason,
            override=override is not None,
            evidence={"verdict": _verdict(model), "artifact": model.artifact, **(evidence or {})},
            expected_lock=expected_lock,
        )
        done = await self._models.promote(change)
        if done.archived is not None:
            await self._publish("ARCHIVED", await self._models.version(done.archived), "production")
        if done.changed:
            action = "ARCHIVED" if stage == "archived" else "PROMOTED"
            await self._publish(action, done.model, done.previous_stage)
        return done.changed

    async def get_model(self, model_id: str, stage: str | None = "production") -> ModelArtifact:
        """A version with its verified files. Raises RegistryError where it is not in `stage` (None: any)."""
        model = await self._models.version(model_id)
        if stage not in (None, model.stage):
            raise RegistryError(
                f"{model_id} is in stage {model.stage}, not {stage}; ask for that, or for any"
            )
        return await self._load(model)

    async def get_production_model(self, model_type: str) -> ModelArtifact | None:
        """The production model of a type with its verified files, or None."""
        model = await self._models.production(model_type)
        return None if model is None else await self._load(model)

    async def list_models(
        self, stage: str | None = None, *, model_type: str | None = None
    ) -> list[dict[str, Any]]:
        """Every version by type, oldest first: model_id, model_type, version, stage, created_at, verdict, metrics."""
        if stage is not None:
            _check_stage(stage)
        return [_summary(model) for model in await self._models.versions(model_type=model_type, stage=stage)]

    async def get_model_metadata(self, model_id: str) -> dict[str, Any]:
        """All that is known of a version: its origin, verdict, metrics, history of stages; JSON-ready."""
        model = await self._models.version(model_id)
        events = await self._models.history(model_id)
        return {
            **_summary(model),
            "artifact": model.artifact,
            "schema_hash": model.schema_hash,
            "data_version": model.data_version,
            "code_version": model.code_version,
            "config_hash": model.config_hash,
            "lock_version": model.lock_version,
            "history": [{**event, "ts": _iso(event["ts"])} for event in events],
            "metadata": model.metadata,
        }

    async def get_model_metrics(self, model_id: str) -> dict[str, float]:
        """Validation metrics by name."""
        return dict((await self._models.version(model_id)).metrics)

    async def production(self, model_type: str) -> Predictor | None:
        """The verified production model of a type, ready to predict, or None. Raises ArtifactError."""
        model = await self.get_production_model(model_type)
        return None if model is None else model.predictor()

    async def types(self, series: str) -> list[str]:
        """Model types with a model in production or staging that was trained on the series, and its own."""
        served = [
            model for stage in ("production", "staging") for model in await self._models.versions(stage=stage)
        ]
        return sorted(
            {series, *(item.model_type for item in served if item.metadata.get("series") == series)}
        )

    async def shadows(self, model_type: str) -> list[Predictor]:
        """The verified models of a type in stage staging, oldest first. Raises ArtifactError."""
        staged = await self._models.versions(model_type=model_type, stage="staging")
        return [(await self._load(model)).predictor() for model in staged]

    async def by_id(self, model_id: str) -> Predictor:
        """Any version, ready to predict. Raises RegistryError, ArtifactError."""
        return (await self.get_model(model_id, stage=None)).predictor()

    async def promotions(self) -> AsyncGenerator[str, None]:
        """Types whose models in production or staging may have changed, until the caller stops.

        Begins with every type, and again after each lost connection, since what was notified meanwhile is gone.
        """
        async with aclosing(self._database.listen(CHANNEL)) as hints:
            async for hint in hints:
                if hint:
                    yield hint
                else:
                    for model_type in await self._types():
                        yield model_type

    @stamina.retry(on=StorageError, attempts=None, timeout=None, wait_max=5.0)
    async def _types(self) -> list[str]:
        """A database that has just come back may go again: the re-read must not be missed."""
        return await self._models.types()

    async def _load(self, model: ModelVersion) -> ModelArtifact:
        signatures = await self._models.signatures(model.artifact)
        try:
            files = await asyncio.to_thread(self._artifacts.get, model.artifact)
            self._keys.check(ARTIFACT, files[artifact.MANIFEST], signatures)
        except ArtifactError as error:
            raise ArtifactError(f"model {model.model_id}: {error}") from None
        return ModelArtifact(
            model_id=model.model_id,
            model_type=model.model_type,
            version=model.version,
            stage=model.stage,
            artifact_id=model.artifact,
            files=files,
            metadata=model.metadata,
        )

    async def _publish(self, action: str, model: ModelVersion, previous_stage: str | None) -> None:
        if self._bus is None:
            return
        payload = ModelLifecycle(
            model_id=model.model_id,
            action=action,
            stage=model.stage,
            version=str(model.version),
            metadata={"artifact": model.artifact, "verdict": _verdict(model), "metrics": model.metrics},
            previous_stage=previous_stage,
        )
        await self._bus.publish("MODEL_LIFECYCLE", payload, source="ModelRegistry")


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise RegistryError(f"unknown stage {stage!r}: use one of {', '.join(STAGES)}")


def _verdict(model: ModelVersion) -> dict[str, Any]:
    return {"passed": model.passed, "reasons": list(model.reasons)}


def _summary(model: ModelVersion) -> dict[str, Any]:
    return {
        "model_id": model.model_id,
        "model_type": model.model_type,
        "version": model.version,
        "stage": model.stage,
        "created_at": _iso(model.created_at),
        "verdict": _verdict(model),
        "metrics": dict(model.metrics),
    }


def _iso(moment: datetime) -> str:
    return to_iso(from_iso(moment.isoformat()))
