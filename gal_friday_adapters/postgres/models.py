"""The model registry in PostgreSQL: immutable versions, audited stages, promotion by compare-and-swap.

Entry point: `ModelMetadataRepository`. Invariants, all held by the database itself: a version never
changes; at most one production model a type; every change of stage has its event, whose replay is the
present; a model whose verdict did not pass reaches staging, and one without a certificate that passed
production, only under an override.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection
from psycopg.errors import IntegrityConstraintViolation
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres import model_sql as sql
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.signing import Signature
from gal_friday_core.errors import RegistryError

STAGES: Final = ("development", "staging", "production", "archived")

Connection = AsyncConnection[DictRow]


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model before it has an id. `size` in bytes; metric values are finite."""

    model_type: str
    artifact: str
    size: int
    schema_hash: str
    data_version: str
    code_version: str
    config_hash: str
    passed: bool
    reasons: tuple[str, ...]
    metadata: Mapping[str, Any]
    metrics: Mapping[str, float]
    actor: str


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version, as of one moment: `stage` and `lock_version` may have moved on since."""

    model_id: str
    model_type: str
    version: int
    stage: str
    artifact: str
    schema_hash: str
    data_version: str
    code_version: str
    config_hash: str
    passed: bool
    reasons: tuple[str, ...]
    metadata: dict[str, Any]
    metrics: dict[str, float]
    created_at: datetime
    lock_version: int


class StageChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a promotion asks for. `override` lets a refused model through, and is kept in the audit.

    `refusal`: why its certificate does not let it into production, as the caller found; empty where it does.
    """

    model_id: str
    stage: str
    actor: str
    reason: str
    override: bool = False
    refusal: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = {}
    expected_lock: int | None = None


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What a promotion did: the version after it, the stage before, and the model that had to make way."""

    model: ModelVersion
    previous_stage: str
    changed: bool
    archived: str | None = None


class StoredCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that were signed, as they were stored; nothing is said of whether they verify."""

    document: bytes
    signature: Signature
    created_at: datetime


class Tenure(msgspec.Struct, frozen=True):
    """A model came into production; `restored`: by a rollback."""

    model_id: str
    restored: bool


class ModelMetadataRepository:
    """Reads and writes of the registry's rows; the artifacts themselves live in the artifact store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, model: NewModel, signature: Signature) -> tuple[str, bool]:
        """The model's id, and whether it is new: the same artifact of the same type keeps its first id.

        The signature over its manifest is kept in either case, beside those that other keys gave before.

        Raises RegistryError where it is already registered with another verdict.
        """
        values = {
            **msgspec.structs.asdict(model),
            "reasons": Jsonb(list(model.reasons)),
            "metadata": Jsonb(model.metadata, dumps=msgspec.json.encode),
        }
        async with self._database.transaction() as connection:
            await connection.execute(sql.ADD_ARTIFACT, values)
            await connection.execute(sql.ADD_SIGNATURE, {"artifact": model.artifact, **signature._asdict()})
            await connection.execute(sql.ADD_TYPE, values)
            lock = await _one(connection, sql.LOCK_TYPE, values)
            known = await _one_or_none(connection, sql.REGISTERED, values)
            if known is not None:
                return _same_verdict(known, model), False
            version = await _one(connection, sql.NEXT_VERSION, values)
            row = await _one(connection, sql.ADD_VERSION, {**values, **version})
            await _complete(connection, row["model_id"], model, lock["lock_version"])
            return row["model_id"], True

    async def promote(self, change: StageChange) -> Promotion:
        """Move a model to a stage in one transaction; a production model in its way is archived.

        Compare-and-swap on the lock version of the type: `expected_lock`, or what this transaction read.
        Raises RegistryError for an unknown model, one that is refused, or a lost race.
        """
        async with self._database.transaction() as connection:
            model = await _version(connection, change.model_id)
            if model.stage == change.stage:
                return Promotion(model=model, previous_stage=model.stage, changed=False)
            refusal = _refusal(model, change)
            lock = await _swap(connection, model, change.expected_lock)
            archived = await _make_way(connection, model, change, lock)
            await _add_event(
                connection,
                model,
                stage=change.stage,
                actor=change.actor,
                reason=change.reason,
                override=bool(refusal),
                evidence=change.evidence,
                lock_version=lock,
            )
        after = msgspec.structs.replace(model, stage=change.stage, lock_version=lock)
        return Promotion(model=after, previous_stage=model.stage, changed=True, archived=archived)

    async def version(self, model_id: str) -> ModelVersion:
        """Raises RegistryError for an unknown id."""
        async with self._database.connection() as connection:
            return await _version(connection, model_id)

    async def production(self, model_type: str) -> ModelVersion | None:
        """The one production model of a type."""
        found = await self.versions(model_type=model_type, stage="production")
        return found[0] if found else None

    async def versions(
        self, *, model_type: str | None = None, stage: str | None = None
    ) -> list[ModelVersion]:
        """By type and version, oldest first; None is any."""
        async with self._database.connection() as connection:
            return await _versions(connection, model_type=model_type, stage=stage)

    async def history(self, model_id: str) -> list[dict[str, Any]]:
        """Every change of stage of a model, oldest first."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.HISTORY, {"model_id": model_id})
            return await cursor.fetchall()

    async def signatures(self, artifact: str) -> list[Signature]:
        """Over an artifact's manifest, by key; nothing is said of whether they verify."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.SIGNATURES, {"artifact": artifact})
            return [Signature(row["key"], bytes(row["value"])) for row in await cursor.fetchall()]

    async def add_certificate(
        self, model_id: str, document: bytes, signature: Signature, refusal: tuple[str, ...] = ()
    ) -> None:
        """Append it, unless it is the latest already; `refusal` says why it refuses the model.

        Raises RegistryError where it refuses one that is in production, also if it came there meanwhile.
        """
        values = {
            "model_id": model_id,
            "document": document,
            "signature": signature.value,
            "key": signature.key,
        }
        async with self._database.transaction() as connection:
            model = await _version(connection, model_id)
            await connection.execute(sql.LOCK_TYPE, {"model_type": model.model_type})
            if refusal and (await _version(connection, model_id)).stage == "production":
                raise RegistryError(
                    f"{model_id} is in production, and this certificate refuses it: {'; '.join(refusal)}. "
                    "Demote it first"
                )
            await connection.execute(sql.ADD_CERTIFICATE, values)

    async def certificate(self, model_id: str) -> StoredCertificate | None:
        """The latest of a model; those before it were judged against another incumbent."""
        return (await self.certificates(model_id)).get(model_id)

    async def certificates(self, model_id: str | None = None) -> dict[str, StoredCertificate]:
        """The latest of each model, or of one."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.CERTIFICATES, {"model_id": model_id})
            return {
                row["model_id"]: StoredCertificate(
                    document=bytes(row["document"]),
                    signature=Signature(row["key_id"], bytes(row["signature"])),
                    created_at=row["created_at"],
                )
                for row in await cursor.fetchall()
            }

    async def tenures(self, model_type: str) -> list[Tenure]:
        """Who was in production, in the order in which they came."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.TENURES, {"model_type": model_type})
            return [msgspec.convert(row, Tenure) for row in await cursor.fetchall()]

    async def types(self) -> list[str]:
        """Every model type that was ever registered."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.TYPES)
            return [row["name"] for row in await cursor.fetchall()]


def _same_verdict(known: DictRow, model: NewModel) -> str:
    """Equal bytes may come again, but no verdict is washed clean by registering twice."""
    if (known["passed"], tuple(known["reasons"])) != (model.passed, model.reasons):
        raise RegistryError(
            f"these bytes are already registered as {known['model_id']} with another verdict "
            f"(passed: {known['passed']}); promote that one with an override, or train again"
        )
    model_id: str = known["model_id"]
    return model_id


async def _complete(connection: Connection, model_id: str, model: NewModel, lock_version: int) -> None:
    """What belongs to a new version: its metrics and its first event."""
    await connection.execute(
        sql.ADD_METRICS,
        {"model_id": model_id, "names": list(model.metrics), "values": list(model.metrics.values())},
    )
    await connection.execute(
        sql.ADD_EVENT,
        {
            "model_id": model_id,
            "model_type": model.model_type,
            "stage": "development",
            "actor": model.actor,
            "reason": "registered",
            "override": False,
            "evidence": Jsonb({"artifact": model.artifact}),
            "lock_version": lock_version,
        },
    )


def _refusal(model: ModelVersion, change: StageChange) -> tuple[str, ...]:
    """What speaks against the change, and is overridden. Raises RegistryError where it is not."""
    against: tuple[str, ...] = ()
    if change.stage == "production":
        against = change.refusal
    elif change.stage == "staging" and model.stage != "production" and not model.passed:
        against = model.reasons or ("its validation gates were not passed",)
    if against and not change.override:
        raise RegistryError(
            f"{model.model_id} is refused for {change.stage}: {'; '.join(against)}. "
            "Train a better model, or promote with an override, which is audited"
        )
    return against


async def _swap(connection: Connection, model: ModelVersion, expected_lock: int | None) -> int:
    """The new lock version. `model` is what the decision rests on, so nothing may have changed since."""
    row = None
    if expected_lock in (None, model.lock_version):
        lock = {"model_type": model.model_type, "expected_lock": model.lock_version}
        row = await _one_or_none(connection, sql.SWAP_LOCK, lock)
    if row is None:
        raise RegistryError(
            f"{model.model_id}: another promotion of {model.model_type} came first; "
            "look at `gal-friday models list`, then promote again"
        )
    new_lock: int = row["lock_version"]
    return new_lock


async def _make_way(
    connection: Connection, model: ModelVersion, change: StageChange, lock_version: int
) -> str | None:
    """Archive the production model that `model` replaces. First, as two may not stand there at once."""
    if change.stage != "production":
        return None
    for current in await _versions(connection, model_type=model.model_type, stage="production"):
        await _add_event(
            connection,
            current,
            stage="archived",
            actor=change.actor,
            reason=f"replaced by {model.model_id}",
            override=False,
            evidence={"replaced_by": model.model_id},
            lock_version=lock_version,
        )
        return current.model_id
    return None


async def _add_event(
    connection: Connection, model: ModelVersion, *, evidence: Mapping[str, Any], **event: Any
) -> None:
    values = {
        "model_id": model.model_id,
        "model_type": model.model_type,
        "evidence": Jsonb(evidence, dumps=msgspec.json.encode),
        **event,
    }
    try:
        await connection.execute(sql.ADD_EVENT, values)
    except IntegrityConstraintViolation as error:
        # What the caller had looked at allowed it: a certificate that refuses the model came in between.
        raise RegistryError(f"{error.diag.message_primary}; look at `gal-friday models show`") from error


async def _version(connection: Connection, model_id: str) -> ModelVersion:
    found = await _versions(connection, model_id=model_id)
    if not found:
        raise RegistryError(f"unknown model {model_id!r}: `gal-friday models list` shows those there are")
    return found[0]


async def _versions(
    connection: Connection,
    *,
    model_id: str | None = None,
    model_type: str | None = None,
    stage: str | None = None,
) -> list[ModelVersion]:
    wanted = {"model_id": model_id, "model_type": model_type, "stage": stage}
    cursor = await connection.execute(sql.VERSIONS, wanted)
    return [msgspec.convert(row, ModelVersion) for row in await cursor.fetchall()]


async def _one(connection: Connection, statement: str, values: Mapping[str, Any]) -> DictRow:
    row = await _one_or_none(connection, statement, values)
    assert row is not None, "the statement always gives a row"
    return row


async def _one_or_none(connection: Connection, statement: str, values: Mapping[str, Any]) -> DictRow | None:
    cursor = await connection.execute(statement, values)
    return await cursor.fetchone()
