"""Measures what the pipeline works with beyond this machine: the broker of its runs, their workers, a dask scheduler."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gal_friday_adapters.worker_pool import LOOPBACK, cluster
from gal_friday_core.config import Config
from gal_friday_core.doctor.check import Check, broken, doubtful, fine, joined
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.shared_settings import BUSY, CODE, PLACES, TELLS, alike, differences

PATIENCE_S = 3.0
"""For the broker to answer, and for workers, which answer while they execute runs."""
PACKAGE = "what speaks to the broker is not installed here; install gal-friday[distributed]"
START = "python -m gal_friday_assets.worker"
Told = Mapping[str, Any]


def broker_and_workers(config: Config, url: str) -> Sequence[Check]:
    """Whether the broker at `url` takes messages, and who executes what it carries. Raises StorageError without one."""
    return [_broker(url), judged(_answers(url), alike(config), config.dagster.runs_at_once)]


def _broker(url: str) -> Check:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigError(PACKAGE) from error
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or 6379}"
    patience = {"socket_connect_timeout": PATIENCE_S, "socket_timeout": PATIENCE_S}
    try:
        with Redis.from_url(url, retry=Retry(NoBackoff(), 0), **patience) as client:
            version = client.info("server")["redis_version"]
    except (RedisError, OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise StorageError(
            f"Redis at {where} takes no message: {why}; start it, or correct dagster.broker_url"
        ) from error
    if parts.scheme == "redis" and parts.hostname not in LOOPBACK:
        fix = "Use rediss://, or a network that is yours alone."
        return doubtful(
            "broker", f"Redis {version} at {where}: messages and its password go in the clear", fix
        )
    return fine("broker", f"Redis {version} at {where}")


def _answers(url: str) -> dict[str, Told]:
    """What each worker tells, by its name."""
    try:
        from celery import Celery
    except ImportError as error:
        raise ConfigError(PACKAGE) from error
    with Celery("doctor", broker=url, set_as_current=False) as app:
        app.conf.broker_transport_options = {"socket_timeout": PATIENCE_S}
        replies = app.control.broadcast(TELLS, reply=True, timeout=PATIENCE_S)
    return {str(name): told for reply in replies or () for name, told in reply.items()}


def judged(answers: Mapping[str, Told], own: Mapping[str, str], runs_at_once: int) -> Check:
    """Other code first: it computes other things. Then places that nobody else sees, then too few of them."""
    if not answers:
        fix = f"Start one: {START}, or set dagster.launcher to local; runs wait meanwhile."
        return broken("workers", f"none answers within {PATIENCE_S:g} s", fix)
    places = sum(int(told.get(PLACES, 0)) for told in answers.values())
    busy = sum(int(told.get(BUSY, 0)) for told in answers.values())
    found = [check for name, told in sorted(answers.items()) for check in _of_worker(name, told, own)]
    if runs_at_once > places and not found:
        fix = "Set dagster.runs_at_once to the places of all workers together, or start more."
        found.append(
            doubtful(
                "", f"{runs_at_once} runs may be sent at once to {places} places: they wait in Redis", fix
            )
        )
    return joined(
        "workers", found, f"{', '.join(sorted(answers))}: {places} places, {busy} taken, all run this code"
    )


def _of_worker(name: str, told: Told, own: Mapping[str, str]) -> Iterator[Check]:
    for what, how in differences(own, told):
        if what == CODE:
            fix = f"Install the same version on every machine, and start its {START} again."
            yield broken("", f"{name}: {how}", fix)
        else:
            fix = "Give all machines the same Python, storage.lake, storage.artifacts and storage.reports."
            yield doubtful("", f"{name}: {how}", fix)


def scheduler(address: str, tls: Sequence[Path]) -> Sequence[Check]:
    """Whether workers of the same code are behind a dask scheduler. Raises ConfigError, StorageError."""
    with cluster(address, tls or None) as client:
        threads = client.nthreads()
    said = f"{address}: {len(threads)} workers, {sum(map(int, threads.values()))} threads, all run this code"
    return [fine("dask scheduler", said)]
