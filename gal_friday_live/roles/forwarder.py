"""A role's journal told to the others: each line once, with the record that it was told in the transaction of its strand."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from gal_friday_adapters.postgres.database import Connection, Database
from gal_friday_adapters.postgres.journal_within import JournalWithin, untold
from gal_friday_adapters.strands.writing import write
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_core.journal import JournalLine
from gal_friday_core.strands.strands import Strand
from gal_friday_core.strands.tags import Module

EVERY_S: Final = 1.0
"""Between two looks that nothing hinted at."""
LATE_S: Final = 60.0
"""A line may become visible so long after one with a higher number."""
BATCH: Final = 200
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)

Tell = Callable[[JournalLine], Strand | None]
"""The strand that tells of a line, or None for one that nobody needs to hear of."""


class Forwarder:
    """`told` counts strands. `hint` has it look at once; without it looks every second.

    What was told is looked up line by line, since lines become visible in another order than numbered. A former
    holder of the lease tells nothing: what is kept of the telling carries the fence.
    """

    def __init__(
        self,
        database: Database,
        module: Module,
        *,
        journal: JournalWithin,
        kinds: Sequence[str],
        tell: Tell,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._module = module
        self._journal = journal
        self._kinds = tuple(kinds)
        self._tell = tell
        self._timer = timer
        self._hinted = asyncio.Event()
        self._heads: deque[tuple[float, int]] = deque()
        self._after = 0
        self.told = 0

    def hint(self, kind: str) -> None:
        """Something of this kind was journalled."""
        if kind in self._kinds:
            self._hinted.set()

    async def run(self) -> None:
        """Until cancelled. Raises LeaseError once another engine has the session."""
        while True:
            self._hinted.clear()
            try:
                while await self.forward():
                    pass
            except LeaseError:
                raise
            except StorageError as error:
                log.warning("what happened is not told yet: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._hinted.wait()
            except TimeoutError:
                continue

    async def forward(self) -> int:
        """Tell of what is not told yet, at most a batch; how many lines. Raises StorageError, LeaseError."""
        async with self._database.transaction() as connection:
            lines = await untold(
                connection, self._journal.session, self._kinds, after=self._after, limit=BATCH
            )
            if lines:
                await self._forward(connection, lines)
        if lines:
            self._advance(lines[-1].seq)
        return len(lines)

    async def _forward(self, connection: Connection, lines: Sequence[JournalLine]) -> None:
        strands = [(line, self._tell(line)) for line in lines]
        told = [(line, strand) for line, strand in strands if strand is not None]
        ids = await write(connection, self._module, [strand for _, strand in told])
        names = {line.seq: name for (line, _), name in zip(told, ids, strict=True)}
        await self._journal.tell(connection, [(line, names.get(line.seq)) for line in lines])
        self.told += len(ids)

    def _advance(self, seq: int) -> None:
        """Look behind a number only once nothing below it can still become visible."""
        now = self._timer()
        self._heads.append((now, seq))
        while self._heads and self._heads[0][0] < now - LATE_S:
            self._after = self._heads.popleft()[1]
