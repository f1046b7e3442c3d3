"""How full one recipient's inbox is, and how long strands take through it: asked now and then, beside the listener."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self

import msgspec

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.inbox import Address
from gal_friday_adapters.strands.statements import INBOX
from gal_friday_core.errors import StorageError

LOOK_EVERY_S: Final = 2.0

log = logging.getLogger(__name__)


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """`waiting` strands, claimed ones included, and for how long the oldest does; how soon the latest were handled."""

    waiting: int
    oldest_s: float
    handled_p50_s: float | None
    handled_p99_s: float | None


class InboxWatch:
    """Looks while it is entered. `counts` are the listener's: what became of strands since it began.

    A database that is away leaves the last look as it was; `looked_s` says how old that is.
    """

    def __init__(
        self,
        database: Database,
        address: Address,
        counts: Mapping[str, int],
        *,
        every_s: float = LOOK_EVERY_S,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._statements = INBOX[address.module]
        self._values = {"account": address.account, "name": address.name}
        self._counts = counts
        self._every_s = every_s
        self._timer = timer
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = timer()
        self.depth: Depth | None = None

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._run(), name="inbox watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._looking is not None, "it was entered"
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking

    async def look(self) -> Depth:
        """Ask now. Raises StorageError where the database does not answer."""
        async with self._database.connection() as connection:
            depth = await (await connection.execute(self._statements.depth, self._values)).fetchone()
            took = await (await connection.execute(self._statements.took, self._values)).fetchone()
        assert depth is not None, "a count has one row"
        p50, p99 = (took and took["times"]) or (None, None)
        self.depth = Depth(
            waiting=depth["waiting"], oldest_s=depth["oldest_s"] or 0.0, handled_p50_s=p50, handled_p99_s=p99
        )
        self._looked_at = self._timer()
        return self.depth

    def told(self) -> dict[str, Any]:
        """For a screen: the last look, how old it is, and the counts."""
        depth = {} if self.depth is None else msgspec.structs.asdict(self.depth)
        counts = {name: self._counts.get(name, 0) for name in COUNTED}
        return {**depth, "looked_s": self._timer() - self._looked_at, **counts}

    def readings(self) -> dict[str, float]:
        """For whoever measures (`gal_friday_strands`); empty before the first look."""
        if self.depth is None:
            return {}
        found = {
            "waiting": float(self.depth.waiting),
            "oldest_seconds": self.depth.oldest_s,
            "looked_age_seconds": self._timer() - self._looked_at,
            **{f"{name}_total": float(self._counts.get(name, 0)) for name in COUNTED},
        }
        if self.depth.handled_p50_s is not None and self.depth.handled_p99_s is not None:
            found["handled_p50_seconds"] = self.depth.handled_p50_s
            found["handled_p99_seconds"] = self.depth.handled_p99_s
        return found

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except StorageError as error:
                log.debug("the inbox cannot be looked into: %s", error)
            await asyncio.sleep(self._every_s)


COUNTED: Final = ("done", "failed", "expired", "retried", "reconnected")
"""Of a listener's counts."""
