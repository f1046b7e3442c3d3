"""Measures what is stored: database, schema, registry with its artifacts, candles, and Dagster's daemon."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir, postgres_dir
from gal_friday_adapters.postgres.connect import connect, describe, with_database
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import missing
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.doctor.check import Check, broken, doubtful, fine, joined
from gal_friday_core.doctor.services import daemon, database_version
from gal_friday_core.errors import ArtifactError, ConfigError, DataError, RegistryError, StorageError
from gal_friday_core.times import to_iso
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.doctor.engine import dagster_answers
from gal_friday_live.model_registry import ModelRegistry

DAGSTER = "dagster"
NAMES = ("database", "migrations", "registry", "Dagster daemon")
_BEATS = """
select daemon_type, extract(epoch from now()) - (body::json ->> 'timestamp')::float8
from daemon_heartbeats
"""
PARQUET = b"PAR1"


def database(manager: ConfigurationManager) -> Sequence[Check]:
    """The server and what is in it. An embedded one that is stopped is started for the look, and stopped again.

    Raises StorageError where it cannot be reached or started.
    """
    config = manager.config
    configured = config.storage.database_url
    if configured is not None:
        return _inside(manager, configured.get_secret_value())
    server = EmbeddedPostgres(postgres_dir(config))
    if not server.exists:
        later = "not made yet: gal-friday up makes it"
        return [fine(name, later if name == "database" else "nothing yet") for name in NAMES]
    with server:
        return _inside(manager, server.url())


def _inside(manager: ConfigurationManager, url: str) -> Sequence[Check]:
    with connect(url) as connection:
        number = connection.info.server_version
        row = connection.execute("select pg_database_size(current_database())").fetchone()
    size_mb = (row[0] if row is not None else 0) / 1_000_000
    found = database_version(number, describe(url), size_mb)
    schema = _schema(url)
    if schema.level == "failure":
        unknown = doubtful("registry", "not looked at: its tables are of another version", "")
        return [found, schema, unknown, _daemon(manager.config, url)]
    registry = fine("registry", "nothing yet") if not schema.ok else asyncio.run(_registry(manager, url))
    return [found, schema, registry, _daemon(manager.config, url)]


def _schema(url: str) -> Check:
    try:
        absent = missing(url)
    except StorageError as error:
        told, _, advice = str(error).rpartition(": ")
        return broken("migrations", told, f"{advice[:1].upper()}{advice[1:]}.")
    if absent:
        fix = "The next command that writes applies them; back up first where it matters."
        return doubtful("migrations", f"{len(absent)} not applied yet, the next is {absent[0]}", fix)
    return fine("migrations", "the schema is this version's")


async def _registry(manager: ConfigurationManager, url: str) -> Check:
    """Every model that serves or is about to: its files, its signature, its certificate."""
    async with Database(url, size=2) as database:
        registry = ModelRegistry(manager, database)
        models = await registry.list_models()
        serving = [model for model in models if model["stage"] in ("production", "staging")]
        troubles = [trouble for model in serving if (trouble := await _trouble(registry, model)) is not None]
    served = ", ".join(str(model["model_id"]) for model in serving if model["stage"] == "production")
    said = f"{len(models)} models, {f'{served} in production' if served else 'none in production'}"
    return joined("registry", troubles, said)


async def _trouble(registry: ModelRegistry, model: Mapping[str, Any]) -> Check | None:
    model_id = str(model["model_id"])
    back = (
        f"Restore the artifacts and keys from a backup, or gal-friday models rollback {model['model_type']}."
    )
    try:
        await registry.get_model(model_id, stage=None)
        await registry.get_certificate(model_id)
    except (ArtifactError, ConfigError, RegistryError) as error:
        return broken("", f"{model_id} cannot serve: {error}", back)
    if (held := model["restriction"]) is not None:
        fix = f"See gal-friday models show {model_id}; gal-friday models release lifts it."
        return doubtful("", f"{model_id} is restricted by drift ({held['step']})", fix)
    return None


def _daemon(config: Config, url: str) -> Check:
    """Dagster's daemon by the times that it writes down."""
    try:
        with connect(with_database(url, DAGSTER)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("select to_regclass('daemon_heartbeats')")
            if (table := cursor.fetchone()) is None or table[0] is None:
                return fine("Dagster daemon", "never ran here: gal-friday up starts it")
            cursor.execute(_BEATS)
            beats = {str(kind): float(age) for kind, age in cursor.fetchall()}
    except StorageError:
        return fine("Dagster daemon", "never ran here: gal-friday up starts it")
    return daemon(beats, web_server=dagster_answers(config.dagster.port))


def lake(config: Config) -> Sequence[Check]:
    """Whether the stored candles of what is traded can be read, and are as new as the settings ask for."""
    stored = CandleLake(lake_dir(config))
    known = stored.series()
    if not known:
        return [fine("candles", "none yet: gal-friday ingest or up brings them in")]
    found = [
        *(_damaged(stored.root) if isinstance(stored.root, Path) else ()),
        *_unreadable(stored, known),
        *_stale(stored, known, config),
    ]
    return [joined("candles", found, f"{len(known)} series, files whole, traded ones fresh")]


def _damaged(root: Path) -> list[Check]:
    """Files that are cut off: whole ones begin and end with a mark."""
    bad = [file for file in root.rglob("*.parquet") if not _is_whole(file)]
    fix = "Remove them and run gal-friday ingest again, or restore them from a backup."
    return [broken("", f"{len(bad)} files are damaged, such as {bad[0]}", fix)] if bad else []


def _is_whole(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(4)
            opened.seek(-4, 2)
            return head == PARQUET and opened.read(4) == PARQUET
    except FileNotFoundError:  # replaced at this moment
        return True
    except OSError:
        return False


def _unreadable(stored: CandleLake, known: Sequence[Series]) -> list[Check]:
    """The newest month of each series, which every start reads."""
    found = []
    for series in known:
        try:
            stored.read_month(series, stored.months(series)[-1])
        except (DataError, StorageError) as error:
            fix = "Remove that month's file and run gal-friday ingest again."
            found.append(broken("", f"{series.key}: {error}", fix))
    return found


def _stale(stored: CandleLake, known: Sequence[Series], config: Config) -> list[Check]:
    market, found = config.market, []
    for pair in market.pairs:
        series = Series(market.exchange, pair, market.interval)
        if series not in known:
            fix = f"gal-friday ingest, or remove {pair} from market.pairs."
            found.append(doubtful("", f"{series.key} is traded and has no candles", fix))
            continue
        try:
            closed_ns = stored.closed_ns(series)
        except (DataError, StorageError):
            continue  # told already
        if closed_ns is not None and time.time_ns() - closed_ns > config.history.max_age_minutes * 60e9:
            fix = "An engine that starts brings it up to now; or gal-friday ingest --exchange kraken."
            found.append(doubtful("", f"{series.key} ends at {to_iso(closed_ns)[:16]}", fix))
    return found
