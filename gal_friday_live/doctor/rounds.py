"""Everything that is looked at, in the order in which it is shown."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gal_friday_adapters.paths import data_dir
from gal_friday_core.config import Config
from gal_friday_core.doctor import settings
from gal_friday_core.doctor.check import Check, broken, fine
from gal_friday_core.errors import ConfigError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.doctor import engine, files, machine
from gal_friday_live.doctor.examine import Examination

STARTS_WITHIN_S = 75.0
"""An embedded PostgreSQL that recovers after a crash takes its time; its own limit is a minute."""
READS_WITHIN_S = 30.0
KRAKEN = "kraken"
"""The exchange of this house; whoever adds another looks after its line and its keys."""


def configuration(path: Path | None, environ: Mapping[str, str]) -> tuple[Check, ConfigurationManager | None]:
    """Whether the settings are valid, and who has them."""
    manager = ConfigurationManager(str(path) if path else None, environ=environ)
    source = str(path) if path else "the defaults and the environment"
    try:
        manager.load_config()
    except ConfigError as error:
        fix = "Correct it; docs/configuration.md and gal-friday init --help list every key."
        return broken("configuration", str(error), fix), None
    return fine("configuration", f"{source}: valid, mode {manager.config.mode}"), manager


def examinations(
    path: Path | None, environ: Mapping[str, str] | None = None, *, offline: bool = False
) -> Iterator[Examination]:
    """With settings that are wrong only the machine is looked at: where the rest stands, nobody knows.

    `offline` leaves out whatever asks beyond this machine.
    """
    environ = os.environ if environ is None else environ
    valid, manager = configuration(path, environ)
    yield Examination(("configuration",), lambda: [valid])
    yield Examination(("python", "memory", "open files", "packages"), machine.python)
    yield Examination(("compiled code",), machine.compiled_code)
    if manager is not None:
        yield from _of_place(path, manager, environ)
        yield from _of_stores(manager)
        if not offline:
            yield from _outside(manager)


def _of_place(
    path: Path | None, manager: ConfigurationManager, environ: Mapping[str, str]
) -> Iterator[Examination]:
    config = manager.config
    folder = data_dir(config)
    source = path.name if path else "the defaults"
    yield Examination(("settings",), lambda: [settings.settings(config, source)])
    yield Examination(("disk", "data directory"), partial(machine.disk, config, folder))
    yield Examination(("permissions",), partial(files.permissions, folder, path, environ))
    yield Examination(("signing key",), partial(files.signing_keys, config))
    yield Examination(("certificate",), partial(files.certificate, config, datetime.now(UTC)))
    yield Examination(("extensions",), partial(machine.extensions, config), READS_WITHIN_S)
    yield Examination(("stale files",), partial(files.locks, config, folder))
    yield Examination(("engine",), partial(engine.engine, config, folder), 2 * engine.ANSWERS_WITHIN_S + 2)
    yield Examination(("ports",), partial(engine.ports, config))


def _of_stores(manager: ConfigurationManager) -> Iterator[Examination]:
    def database() -> Sequence[Check]:
        from gal_friday_live.doctor import stores  # the registry's compiler takes a second to import

        return stores.database(manager)

    def lake() -> Sequence[Check]:
        from gal_friday_live.doctor import stores

        return stores.lake(manager.config)

    embedded = manager.config.storage.database_url is None
    within_s = STARTS_WITHIN_S if embedded else READS_WITHIN_S
    yield Examination(("database", "migrations", "registry", "Dagster daemon"), database, within_s)
    yield Examination(("candles",), lake, READS_WITHIN_S)


def _of_pipeline(config: Config) -> Iterator[Examination]:
    def runs(url: str) -> Sequence[Check]:
        from gal_friday_live.doctor.pipeline import broker_and_workers  # libraries of those who have workers

        return broker_and_workers(config, url)

    def trees(address: str) -> Sequence[Check]:
        from gal_friday_live.doctor.pipeline import scheduler

        return scheduler(address, config.training.scheduler_tls)

    if config.dagster.launcher == "celery" and (url := config.dagster.broker_url) is not None:
        yield Examination(("broker", "workers"), partial(runs, url.get_secret_value()), READS_WITHIN_S)
    if (address := config.training.scheduler) is not None:
        yield Examination(("dask scheduler",), partial(trees, address), READS_WITHIN_S)


def _buckets(config: Config) -> Sequence[Check]:
    from gal_friday_live.doctor.buckets import buckets  # a library that only those with buckets need

    return buckets(config)


def _outside(manager: ConfigurationManager) -> Iterator[Examination]:
    from gal_friday_live.doctor import outside

    config = manager.config
    folder = data_dir(config)
    if config.market.exchange == KRAKEN:
        yield Examination(("exchange", "clock"), partial(outside.exchange, config), READS_WITHIN_S)
        yield Examination(("feed",), partial(outside.feed, config), READS_WITHIN_S)
        in_use = partial(engine.runs_live, folder)
        yield Examination(("API key",), partial(outside.api_key, manager, folder, in_use), 2 * READS_WITHIN_S)
    else:
        yield Examination(("clock",), partial(outside.clock_alone, config), READS_WITHIN_S)
    yield Examination(("object storage",), partial(_buckets, config), 2 * READS_WITHIN_S)
    yield from _of_pipeline(config)
    yield Examination(("alerts",), partial(outside.alerts, config), READS_WITHIN_S)
    yield Examination(("time series",), partial(outside.time_series, config))
