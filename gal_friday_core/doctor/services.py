"""Judges servers: PostgreSQL by its version, Dagster's daemon by its heartbeats."""

from collections.abc import Mapping
from typing import Final

from gal_friday_core.doctor.check import Check, broken, doubtful, fine

OLDEST_POSTGRES: Final = 14
TRIED_POSTGRES: Final = 18
BEATS_WITHIN_S: Final = 120.0
"""A daemon writes its time every thirty seconds, and is slow while it loads code."""


def database_version(number: int, where: str, size_mb: float) -> Check:
    """`number` as the server gives it, such as 180004.

    >>> database_version(130011, "database x", 9.0).level
    'failure'
    """
    major = number // 10_000
    said = f"{where}: PostgreSQL {major}.{number % 10_000}, {size_mb:,.0f} MB"
    if major < OLDEST_POSTGRES:
        return broken("database", said, f"Upgrade the server to PostgreSQL {TRIED_POSTGRES}.")
    if major != TRIED_POSTGRES:
        fix = f"The tests run on PostgreSQL {TRIED_POSTGRES} only."
        return doubtful("database", said, fix)
    return fine("database", said)


def daemon(beats: Mapping[str, float], *, web_server: bool) -> Check:
    """Seconds since each part of Dagster's daemon wrote its time down, and whether the web server answers.

    >>> daemon({"SENSOR": 12.0, "SCHEDULER": 500.0}, web_server=True).detail
    'SCHEDULER silent for 500 s'
    """
    if not beats:
        return fine("Dagster daemon", "never ran here: gal-friday up starts it")
    silent = {kind: age for kind, age in beats.items() if age > BEATS_WITHIN_S}
    if not silent:
        return fine(
            "Dagster daemon", f"{len(beats)} parts alive, the slowest {max(beats.values()):.0f} s ago"
        )
    if not web_server and len(silent) == len(beats):
        return fine("Dagster daemon", f"not running, last seen {min(beats.values()) / 3600:,.1f} h ago")
    named = ", ".join(sorted(silent))
    fix = "Schedules, sensors and retraining stand still: start gal-friday up again; see logs/dagster-daemon.log."
    return broken("Dagster daemon", f"{named} silent for {max(silent.values()):.0f} s", fix)
