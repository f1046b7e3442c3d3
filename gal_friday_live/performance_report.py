"""What takes a process's time and memory, as numbers, and the few words that an operator needs of it."""

import gc
from collections.abc import Mapping
from typing import Any, Final

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.slow_statements import buffer_hits
from gal_friday_core.errors import StorageError
from gal_friday_core.times import SECOND_NS
from gal_friday_live.caches import CACHES
from gal_friday_live.process_watch import GENERATIONS, GcWatch, LoopWatch, MemoryTrend

SLOW_WAIT_MS: Final = 1.0
MUCH_COLLECTING: Final = 0.01
FAST_GROWTH_MB: Final = 20.0
FEW_HITS: Final = 0.95


async def report(
    loop: LoopWatch, collector: GcWatch, memory: MemoryTrend, database: Database | None
) -> dict[str, Any]:
    """Event loop, garbage collector, memory, caches and database; what is not known is None."""
    return {
        "event_loop": loop.readings() or None,
        "garbage_collector": _collector(collector),
        "memory": memory.told(),
        "caches": {name: _rates(cache.hits, cache.misses) | {"size": cache.size, "held": cache.held} for name, cache in CACHES.items()},
        "database": None if database is None else await _database(database),
    }  # fmt: skip


def advice(told: Mapping[str, Any], lag_limit_s: float) -> list[str]:
    """What stands out, in words; one line that says so where nothing does."""
    found = [*_of_process(told, lag_limit_s), *_of_database(told)]
    return found or ["nothing stands out"]


def _of_process(told: Mapping[str, Any], lag_limit_s: float) -> list[str]:
    found, lag = [], told["event_loop"]
    if lag is not None and lag["lag_p99_seconds"] > lag_limit_s:
        found.append(
            f"the event loop was {lag['lag_p99_seconds']:.2f} s late for one call in a hundred: something holds it up"
        )
    share = told["garbage_collector"]["share_of_time"]
    if share is not None and share > MUCH_COLLECTING:
        found.append(
            f"garbage collection takes {share:.1%} of the time: gal-friday performance tune --kind MEMORY"
        )
    growth = told["memory"]["growth_mb_per_hour"]
    if growth is not None and growth > FAST_GROWTH_MB:
        found.append(f"memory grows by {growth:.0f} MB an hour")
    return found


def _of_database(told: Mapping[str, Any]) -> list[str]:
    found, pool = [], told["database"]
    if pool is not None:
        if pool["wait_ms_per_request"] > SLOW_WAIT_MS:
            found.append(
                f"callers wait {pool['wait_ms_per_request']:.1f} ms for a connection: "
                "gal-friday performance tune --kind CONNECTION_POOL"
            )
        buffers = pool["buffers"]
        if buffers is not None and buffers["hit_rate"] is not None and buffers["hit_rate"] < FEW_HITS:
            found.append(
                f"the database has {buffers['hit_rate']:.0%} of its pages in memory: raise shared_buffers"
            )
    found += [
        f"{statement['hint']}: {statement['text'][:80]}"
        for statement in told["statements"]["slowest"]
        if statement["plan"] and statement["hint"]
    ]
    return found


def _collector(watch: GcWatch) -> dict[str, Any]:
    """Since it is watched. A share of time needs time."""
    watched_s = watch.watched_s
    return {
        "generations": [
            {
                "collections": watch.collections[generation],
                "paused_s": watch.paused_ns[generation] / SECOND_NS,
                "longest_s": watch.longest_ns[generation] / SECOND_NS,
            }
            for generation in range(GENERATIONS)
        ],
        "share_of_time": sum(watch.paused_ns) / SECOND_NS / watched_s if watched_s > 1 else None,
        "thresholds": list(gc.get_threshold()),
        "frozen_objects": watch.frozen,
    }


async def _database(database: Database) -> dict[str, Any]:
    counts = database.pool_counts()
    asked, waited = counts.get("requests_num", 0), counts.get("requests_wait_ms", 0)
    least, most = database.pool_sizes
    try:
        hits, reads = await buffer_hits(database)
        buffers = _rates(hits, reads)
    except StorageError:
        buffers = None
    return {
        "least": least,
        "most": most,
        "connections": counts["pool_size"],
        "requests": asked,
        "waited": counts.get("requests_queued", 0),
        "wait_ms_per_request": waited / asked if asked else 0.0,
        "failed": counts.get("requests_errors", 0),
        "prepare_after": database.prepare_after,
        "buffers": buffers,
    }


def _rates(hits: float, misses: float) -> dict[str, Any]:
    return {"hits": hits, "misses": misses, "hit_rate": hits / (hits + misses) if hits + misses else None}
