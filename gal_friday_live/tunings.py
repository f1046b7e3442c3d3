"""The changes that may be tried on a running process: each by name, each undone as easily as done.

A tuning is measured by two counts that only grow, what it costs and per what: of a block the quotient of their
growth is taken. `why_not` says why there is no point in trying it now, and is empty where there is.
"""

import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.times import SECOND_NS
from gal_friday_live.caches import CACHES, Cache
from gal_friday_live.process_watch import GcWatch

Kind = Literal["CACHE", "CONNECTION_POOL", "MEMORY"]
KINDS: Final[tuple[Kind, ...]] = ("CACHE", "CONNECTION_POOL", "MEMORY")

SELDOM: Final = (50_000, 25, 100)
"""Thresholds of the garbage collector with which it looks seldom: most of what an engine makes dies by itself."""
BRIEF: Final = 0.001
LARGER: Final = 4
FEW_MISSES: Final = 0.01
SHORT_WAIT_MS: Final = 0.05
SOONER: Final = 1
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_PROBE: Final = (
    "select kind, key from journal where session = %(session)s and kind = 'RUN' order by seq limit 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """`counts` gives cost and base; `work` is done many times a block where the engine's own work would not tell."""

    name: str
    kind: Kind
    what: str
    unit: str
    counts: Callable[[], tuple[float, float]]
    apply: Callable[[], Awaitable[None]]
    undo: Callable[[], Awaitable[None]]
    why_not: Callable[[], str] = lambda: ""
    work: Callable[[], Awaitable[None]] | None = None
    worth: float = 0.0
    """What costs less than this without it is not worth a tuning, whatever the share."""


def tunings(collector: GcWatch, database: Database | None) -> dict[str, Tuning]:
    """All that there are, by name; those of the database where there is one."""
    found = [*_of_memory(collector), *_of_caches()]
    if database is not None:
        found += [_pool_size(database), _prepare_sooner(database)]
    return {tuning.name: tuning for tuning in found}


def _of_memory(collector: GcWatch) -> Iterator[Tuning]:
    def counts() -> tuple[float, float]:
        return sum(collector.paused_ns) / SECOND_NS, time.monotonic()

    unit = "share of time that collections stop the process"
    normal = gc.get_threshold()

    async def freeze() -> None:
        gc.freeze()
        collector.count_frozen()

    async def unfreeze() -> None:
        gc.unfreeze()
        collector.count_frozen()

    yield Tuning(
        name="gc_freeze", kind="MEMORY", unit=unit, counts=counts, apply=freeze, undo=unfreeze,
        what="let the garbage collector leave alone what stands now",
        worth=BRIEF, why_not=lambda: "what stood when the engine started is frozen already" if collector.frozen else "",
    )  # fmt: skip

    async def seldom() -> None:
        gc.set_threshold(*SELDOM)

    async def as_before() -> None:
        gc.set_threshold(*normal)

    yield Tuning(
        name="gc_seldom", kind="MEMORY", unit=unit, counts=counts, apply=seldom, undo=as_before,
        what=f"thresholds of the garbage collector {SELDOM} in the place of {normal}",
        worth=BRIEF, why_not=lambda: "the thresholds are these already" if gc.get_threshold() == SELDOM else "",
    )  # fmt: skip


def _of_caches() -> Iterator[Tuning]:
    for name, cache in CACHES.items():
        yield _cache(name, cache, cache.size)


def _cache(name: str, cache: Cache, size: int) -> Tuning:
    async def enlarge() -> None:
        cache.resize(size * LARGER)

    async def as_before() -> None:
        cache.resize(size)

    def why_not() -> str:
        asked = cache.hits + cache.misses
        if cache.held < cache.size:
            return f"it holds {cache.held} of {cache.size}: more room would stay empty"
        if cache.misses <= FEW_MISSES * asked:
            return f"it had {1 - cache.misses / asked:.1%} of the answers"
        return ""

    seen = [0, 0, 0, 0]

    def counts() -> tuple[float, float]:
        """A cache counts anew from each change of its size."""
        if cache.hits < seen[0] or cache.misses < seen[1]:
            seen[2:] = [seen[2] + seen[0], seen[3] + seen[1]]
        seen[:2] = [cache.hits, cache.misses]
        misses = float(seen[3] + seen[1])
        return misses, float(seen[2] + seen[0]) + misses

    return Tuning(
        name=f"cache_{name}", kind="CACHE", unit="share of lookups that miss", counts=counts, apply=enlarge, undo=as_before,
        what=f"room for {size * LARGER} answers in the place of {size}", why_not=why_not,
        worth=FEW_MISSES,
    )  # fmt: skip


def _pool_size(database: Database) -> Tuning:
    _, most = database.pool_sizes

    def counts() -> tuple[float, float]:
        told = database.pool_counts()
        return float(told.get("requests_wait_ms", 0)), float(told.get("requests_num", 0))

    async def larger() -> None:
        await database.allow(most * 2)

    async def as_before() -> None:
        await database.allow(most)

    return Tuning(
        name="pool_size", kind="CONNECTION_POOL", unit="ms that a caller waits for a connection", counts=counts,
        apply=larger, undo=as_before, what=f"up to {most * 2} connections in the place of {most}", worth=SHORT_WAIT_MS,
        why_not=lambda: "" if database.pool_counts().get("requests_queued") else "nobody ever waited for a connection",
    )  # fmt: skip


def _prepare_sooner(database: Database) -> Tuning:
    normal = database.prepare_after
    spent = [0.0, 0.0]

    async def work() -> None:
        """A statement of the kind that the engine has, which finds nothing."""
        began = time.perf_counter_ns()
        async with database.autocommit() as connection:
            await connection.execute(_PROBE, {"session": NOBODY})
        spent[0] += (time.perf_counter_ns() - began) / 1e6
        spent[1] += 1

    async def sooner() -> None:
        await database.prepare(SOONER)

    async def as_before() -> None:
        await database.prepare(normal)

    return Tuning(
        name="prepare_sooner", kind="CONNECTION_POOL", unit="ms of a small statement, connection included",
        counts=lambda: (spent[0], spent[1]), apply=sooner, undo=as_before, work=work,
        what=f"prepare a statement at its {SOONER + 1}nd use in the place of its {normal + 1}th",
        worth=SHORT_WAIT_MS, why_not=lambda: "statements are prepared this soon already" if database.prepare_after <= SOONER else "",
    )  # fmt: skip
