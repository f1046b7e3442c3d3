"""The model registry: what was trained, what may trade, and who decided so (001 §2.13, 000 §4.2).

Rows live in PostgreSQL, files in the artifact store; both verify themselves, and the signature over the files'
manifest says who registered them. Production asks for a signed certificate that passed, or a signed override, when
a model is promoted and whenever one is served. The engine reads it through the port `Models`.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
import stamina

from gal_friday_adapters.artifact_store import ArtifactStore, artifacts_of
from gal_friday_adapters.paths import keys_dir
from gal_friday_adapters.postgres.database import DatabaseManager
from gal_friday_adapters.postgres.models import (
    ModelMetadataRepository,
    ModelVersion,
    StageChange,
)
from gal_friday_adapters.postgres.restrictions import RestrictionRepository
from gal_friday_adapters.signing import ARTIFACT, CERTIFICATE, SigningKeys
from gal_friday_core import artifact
from gal_friday_core.certificate import Certificate
from gal_friday_core.drift import ladder
from gal_friday_core.drift.ladder import Decision, Restriction, in_force, release, restriction
from gal_friday_core.errors import ArtifactError, RegistryError, StorageError
from gal_friday_core.payloads import ModelLifecycle
from gal_friday_core.predictor import Predictor
from gal_friday_live import promotion
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_description import describe, iso, summary_of, verdict_of

CHANNEL = "model_promoted"
KEPT = 8
"""Models that stay parsed: reading three hundred trees takes longer than everything else about a swap. Their files
are verified whenever they are asked for."""


log = logging.getLogger(__name__)


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
        self._restrictions = RestrictionRepository(database)
        self._drift = config.config.drift
        self._artifacts = artifacts or artifacts_of(config.config)
        self._bus = bus
        self._parsed: dict[tuple[str, str], Predictor] = {}
        own = keys_dir(self._artifacts.root, config.config)
        self._keys = keys or SigningKeys(own, config.config.storage.trusted_keys)

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

    async def certify_model(self, model_id: str, certificate: Certificate) -> None:
        """Sign and store what a version showed; the latest certificate counts, the others stay.

        Raises ArtifactError for that of another model, RegistryError where it would pull a model out of production,
        ConfigError, StorageError.
        """
        model = await self._models.version(model_id)
        promotion.require_own(certificate, model)
        document = certificate.to_bytes()
        signature = await asyncio.to_thread(self._keys.sign, CERTIFICATE, document)
        refusal = () if certificate.passed else certificate.reasons
        await self._models.add_certificate(model_id, document, signature, refusal)

    async def get_certificate(self, model_id: str) -> Certificate | None:
        """The latest of a version. Raises ArtifactError for one that was altered or that nobody trusted signed."""
        return await self._certificate(await self._models.version(model_id))

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

        A model goes to production only if its files verify and its certificate passed against the model that it
        replaces, which is archived; to staging, only if its verdict passed. `override=(actor, reason)` stands in for
        either, not for a certificate that was altered. `expected_lock` makes it conditional on nothing having
        changed since `get_model_metadata` returned that lock version.
        Raises RegistryError with the reasons of a refusal, ArtifactError for damaged files or certificates.
        """
        promotion.check_stage(stage)
        model = await self._models.version(model_id)
        change = StageChange(
            model_id=model_id,
            stage=stage,
            actor=actor,
            reason=reason,
            evidence=evidence or {},
            expected_lock=model.lock_version if expected_lock is None else expected_lock,
        )
        action = "ARCHIVED" if stage == "archived" else "PROMOTED"
        if stage != "production":
            change = promotion.overridden(change, override)
        elif model.stage != "production":
            change = await self._admitted(model, change, override)
        return await self._move(model, change, action)

    async def demote_model(
        self, model_id: str, stage: str | None = None, *, actor: str, reason: str = "demoted"
    ) -> str:
        """Move a model down, by default one stage; the stage it is in then. Asks for no gate and no file.

        A production model leaves its type without one: a running engine opens nothing more by it.
        Raises RegistryError where there is no stage below, or the wanted one is not below.
        """
        model = await self._models.version(model_id)
        below = promotion.demoted_to(model_id, model.stage, stage)
        change = StageChange(
            model_id=model_id, stage=below, actor=actor, reason=reason, expected_lock=model.lock_version
        )
        await self._move(model, change, "ARCHIVED" if below == "archived" else "DEMOTED")
        return below

    async def rollback_model(
        self,
        model_type: str,
        *,
        actor: str,
        reason: str = "rolled back",
        override: tuple[str, str] | None = None,
        instead_of: str | None = None,
    ) -> str:
        """Put the model back that was in production before the last one; its id.

        Its files and its certificate are verified anew, but it need not beat the model that it replaces. One that
        came by an override needs another. Repeated, it goes back further. `instead_of` makes it conditional on that
        model being in production.
        Raises RegistryError where there was none before, or one is refused; ArtifactError for damaged ones.
        """
        known = await self._models.versions(model_type=model_type)  # the lock first, then what it guards
        target = promotion.predecessor(await self._models.tenures(model_type))
        if target is None:
            raise RegistryError(
                f"{model_type}: no model was in production before the last one; "
                "`gal-friday models list` shows those there are"
            )
        model = next(item for item in known if item.model_id == target)
        last = next((item.model_id for item in known if item.stage == "production"), None)
        if instead_of not in (None, last):
            raise RegistryError(f"{instead_of} is not in production any more: {last} is")
        change = StageChange(
            model_id=target,
            stage="production",
            actor=actor,
            reason=reason,
            evidence={"restored": True, "instead_of": last},
            expected_lock=model.lock_version,
        )
        await self._move(model, await self._admitted(model, change, override), "RESTORED")
        return target

    async def restrict_model(
        self, model_id: str, decisions: Sequence[Decision], *, actor: str
    ) -> Restriction | None:
        """Take these steps of the drift ladder against a version, each on record; what holds for it then.

        A step `roll_back` also puts the model back that was in production before it. Where there is none, or it is
        refused, the version stays and trades nothing. Raises RegistryError for an unknown version, StorageError.
        """
        model = await self._models.version(model_id)
        make = partial(restriction, config=self._drift, model_type=model.model_type, model_id=model_id)
        await self._restrictions.add([make(one, actor=actor) for one in decisions])
        asking = next((one.reason for one in decisions if one.step == "roll_back"), None)
        if asking is not None:
            await self._step_back(model, actor=actor, reason=asking)
        return in_force(await self.restrictions(model_id), model_id)

    async def _step_back(self, model: ModelVersion, *, actor: str, reason: str) -> None:
        """Roll back a version that is in production, again where another change of its type came first."""
        while model.stage == "production":
            try:
                await self.rollback_model(
                    model.model_type, actor=actor, reason=reason, instead_of=model.model_id
                )
            except (RegistryError, ArtifactError) as error:
                now = await self._models.version(model.model_id)
                if now.lock_version == model.lock_version:
                    log.warning("%s is not rolled back, and trades nothing: %s", model.model_id, error)
                    return
                model = now
            else:
                return

    async def release_model(self, model_id: str, *, actor: str, reason: str) -> bool:
        """Lift what drift restricts a version to, audited; False where nothing does."""
        model = await self._models.version(model_id)
        held = in_force(await self.restrictions(model_id), model_id)
        if held is not None:
            row = release(model.model_type, model_id, actor=actor, reason=reason)
            await self._restrictions.add([row])
        return held is not None

    async def restrictions(self, model_id: str) -> list[Restriction]:
        """Every step that drift took against a version, and every release, in the order they were written."""
        return await self._restrictions.of_model(model_id)

    async def get_model(self, model_id: str, stage: str | None = "production") -> ModelArtifact:
        """A version with its verified files. Raises RegistryError where it is not in `stage` (None: any)."""
        model = await self._models.version(model_id)
        if stage not in (None, model.stage):
            raise RegistryError(
                f"{model_id} is in stage {model.stage}, not {stage}; ask for that, or for any"
            )
        return await (self._load(model) if stage != "production" else self._serve(model))

    async def get_production_model(self, model_type: str) -> ModelArtifact | None:
        """The production model of a type with its verified files and what put it there, or None.

        Raises ArtifactError where files, certificate or override do not verify.
        """
        model = await self._models.production(model_type)
        return None if model is None else await self._serve(model)

    async def list_models(
        self, stage: str | None = None, *, model_type: str | None = None
    ) -> list[dict[str, Any]]:
        """Every version by type, oldest first: model_id, model_type, version, stage, created_at, verdict, metrics, and
        whether it is `certified`: its latest certificate verifies and passed; and the `restriction` by drift that holds.
        """
        if stage is not None:
            promotion.check_stage(stage)
        models = await self._models.versions(model_type=model_type, stage=stage)
        stored = await self._models.certificates()
        steps = await self._restrictions.of_model()
        shown = (promotion.shown(self._keys, model, stored.get(model.model_id)) for model in models)
        return [
            {
                **summary_of(model),
                "certified": certificate is not None and certificate["passed"],
                "restriction": ladder.shown(in_force(steps, model.model_id)),
            }
            for model, certificate in zip(models, shown, strict=True)
        ]

    async def get_model_metadata(self, model_id: str) -> dict[str, Any]:
        """All that is known of a version: its origin, verdict, certificate, metrics, history; JSON-ready."""
        model = await self._models.version(model_id)
        events = await self._models.history(model_id)
        stored = await self._models.certificate(model_id)
        steps = await self.restrictions(model_id)
        return {
            **summary_of(model),
            "artifact": model.artifact,
            "schema_hash": model.schema_hash,
            "data_version": model.data_version,
            "code_version": model.code_version,
            "config_hash": model.config_hash,
            "lock_version": model.lock_version,
            "certificate": promotion.shown(self._keys, model, stored),
            "restriction": ladder.shown(in_force(steps, model_id)),
            "restrictions": [msgspec.to_builtins(step) for step in steps],
            "history": [{**event, "ts": iso(event["ts"])} for event in events],
            "metadata": model.metadata,
        }

    async def get_model_metrics(self, model_id: str) -> dict[str, float]:
        """Validation metrics by name."""
        return dict((await self._models.version(model_id)).metrics)

    async def production(self, model_type: str) -> Predictor | None:
        """The verified production model of a type, ready to predict, or None. Raises ArtifactError."""
        model = await self.get_production_model(model_type)
        return None if model is None else await self._predictor(model)

    async def types(self, series: str) -> list[str]:
        """Model types with a model in production or staging that was trained on the series, and its own."""
        served = [
            model for stage in ("production", "staging") for model in await self._models.versions(stage=stage)
        ]
        return sorted(
            {series, *(item.model_type for item in served if item.metadata.get("series") == series)}
        )

    async def shadows(self, model_type: str) -> list[str]:
        """Ids of the models of a type in stage staging, oldest first; `by_id` verifies and reads each."""
        staged = await self._models.versions(model_type=model_type, stage="staging")
        return [model.model_id for model in staged]

    async def by_id(self, model_id: str) -> Predictor:
        """Any version, ready to predict. Raises RegistryError, ArtifactError."""
        return await self._predictor(await self.get_model(model_id, stage=None))

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

    async def _certificate(self, model: ModelVersion) -> Certificate | None:
        stored = await self._models.certificate(model.model_id)
        return None if stored is None else promotion.read_certificate(self._keys, model, stored)

    async def _admitted(
        self, model: ModelVersion, change: StageChange, override: tuple[str, str] | None
    ) -> StageChange:
        """The change with what speaks for it and against it. Raises ArtifactError where anything was altered."""
        await self._predictor(await self._load(model))
        certificate = await self._certificate(model)
        production = None
        if "restored" not in change.evidence:
            production = await self._models.production(model.model_type)
        refusal = promotion.against(certificate, production)
        evidence = dict(change.evidence)
        if certificate is not None:
            evidence["certificate"] = hashlib.sha256(certificate.to_bytes()).hexdigest()
        if refusal and override is not None:
            signed = await asyncio.to_thread(promotion.sign_override, self._keys, model, override)
            evidence |= {"override": signed, "refusal": list(refusal)}
        replaced = msgspec.structs.replace(change, refusal=refusal, evidence=evidence)
        return promotion.overridden(replaced, override)

    async def _move(self, model: ModelVersion, change: StageChange, action: str) -> bool:
        """Do it and tell the bus."""
        evidence = {"verdict": verdict_of(model), "artifact": model.artifact, **change.evidence}
        done = await self._models.promote(msgspec.structs.replace(change, evidence=evidence))
        if done.archived is not None:
            await self._publish("ARCHIVED", await self._models.version(done.archived), "production")
        if done.changed:
            await self._publish(action, done.model, done.previous_stage)
        return done.changed

    async def _serve(self, model: ModelVersion) -> ModelArtifact:
        """The files of a production model, if its certificate passed, or its override was signed."""
        loaded = await self._load(model)
        certificate = await self._certificate(model)
        if certificate is None or not certificate.passed:
            promotion.check_override(self._keys, model, await self._models.history(model.model_id))
        return loaded

    async def _load(self, model: ModelVersion) -> ModelArtifact:
        signatures = await self._models.signatures(model.artifact)
        try:
            files = await asyncio.to_thread(self._artifacts.get, model.artifact)
            self._keys.check(ARTIFACT, files[artifact.MANIFEST], signatures)
        except ArtifactError as error:
            raise type(error)(f"model {model.model_id}: {error}") from None
        return ModelArtifact(
            model_id=model.model_id,
            model_type=model.model_type,
            version=model.version,
            stage=model.stage,
            artifact_id=model.artifact,
            files=files,
            metadata=model.metadata,
        )

    async def _predictor(self, model: ModelArtifact) -> Predictor:
        """Parsed once, beside the event loop, which has orders to send meanwhile."""
        key = model.model_id, model.artifact_id
        found = self._parsed.pop(key, None)
        if found is None:
            found = await asyncio.to_thread(model.predictor)
        self._parsed[key] = found
        for oldest in [*self._parsed][:-KEPT]:
            del self._parsed[oldest]
        return found

    async def _publish(self, action: str, model: ModelVersion, previous_stage: str | None) -> None:
        if self._bus is None:
            return
        payload = ModelLifecycle(
            model_id=model.model_id,
            action=action,
            stage=model.stage,
            version=str(model.version),
            metadata={"artifact": model.artifact, "verdict": verdict_of(model), "metrics": model.metrics},
            previous_stage=previous_stage,
        )
        await self._bus.publish("MODEL_LIFECYCLE", payload, source="ModelRegistry")
