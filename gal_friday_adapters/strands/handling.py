"""A batch of claimed strands, handled: each in its own savepoint, all acknowledged in one transaction.

What a handler raises decides, by its type. The database's own trouble is tried again, a bounded number of times,
each later than the one before; anything else is the strand's fault, and marks it. The others of the batch go on.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import psycopg

from gal_friday_adapters.postgres.connect import one_line
from gal_friday_adapters.postgres.database import Connection, cut_after
from gal_friday_adapters.strands.inbox import Again, Claim, End, Held, Inbox
from gal_friday_adapters.strands.transaction import Fate, FateHandler, Handler
from gal_friday_adapters.strands.writing import strand_of, write
from gal_friday_core.errors import ContractError, LeaseError, StorageError
from gal_friday_core.strands.settings import StrandsInboxConfig
from gal_friday_core.strands.strands import Strand
from gal_friday_core.strands.tags import Module

log = logging.getLogger(__name__)

GRACE_S = 5.0
"""A handler that was told to stop and waits for a hung server is cut off so much later."""
TRIED_AGAIN = (psycopg.Error, StorageError, TimeoutError)
"""Not the strand's fault, or not surely."""

_FIRST: Final = "savepoint strand"
_NEXT: Final = "release savepoint strand; savepoint strand"
_UNDO: Final = "rollback to savepoint strand"


class Writes:
    """The `Transaction` that handlers are given."""

    def __init__(self, connection: Connection, module: Module) -> None:
        self.connection = connection
        self._module = module

    async def write_with_tags(self, strand: Strand) -> str:
        [written] = await write(self.connection, self._module, [strand])
        return written

    async def write_many(self, strands: Sequence[Strand]) -> list[str]:
        return await write(self.connection, self._module, strands)


class Batch:
    """What became of each strand of a batch so far; `ends` and `again` go with the transaction that it is handled in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ends: list[End] = []
        self.again: list[Again] = []
        self._parts = 0

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """What is written here is kept with the batch, or undone alone when an exception leaves. One statement a part:
        the savepoint of the last one goes when the next begins, or with the transaction.
        """
        await self.connection.execute(_NEXT if self._parts else _FIRST, prepare=False)
        self._parts += 1
        try:
            yield
        except Exception:
            with suppress(psycopg.Error):  # of a broken line, which its next statement tells
                await self.connection.execute(_UNDO, prepare=False)
            raise


class Handling:
    """Hands strands to their handlers. `counts` has what became of them: done, failed, expired, retried."""

    def __init__(
        self,
        module: Module,
        handlers: Mapping[str, Handler],
        settings: StrandsInboxConfig,
        on_fate: FateHandler | None = None,
    ) -> None:
        self._module = module
        self._handlers = handlers
        self._settings = settings
        self._on_fate = on_fate
        self.counts: Counter[str] = Counter()

    async def handle(self, inbox: Inbox, claims: Sequence[Claim]) -> None:
        """All of a batch, durable on return. Raises psycopg's errors where the line broke, and LeaseError where a handler
        did: then nothing of it is.
        """
        batch = Batch(inbox.connection)
        async with inbox.connection.transaction():
            now = asyncio.get_running_loop().time
            began = now()
            for held in await inbox.hold(claims):
                await self._one(held, now() - began, batch)
            await inbox.end(batch.ends)
            await inbox.again(batch.again)
        self.counts.update(end.state for end in batch.ends)
        self.counts["retried"] += len(batch.again)

    async def _one(self, held: Held, waited_s: float, batch: Batch) -> None:
        claim = held.claim
        if held.remaining_s is not None and held.remaining_s <= waited_s:
            await self._give_up(held, "expired", "its deadline had passed", batch)
        elif claim.attempts > self._settings.attempts:
            why = f"tried {self._settings.attempts} times, and each time its handler did not come back"
            await self._give_up(held, "failed", why, batch)
        else:
            await self._try(held, batch)

    async def _try(self, held: Held, batch: Batch) -> None:
        claim, connection, limit_s = held.claim, batch.connection, self._settings.lease_s
        try:
            with cut_after(connection, limit_s + GRACE_S):
                async with batch.part(), asyncio.timeout(limit_s):
                    strand = _strand(held)
                    await self._handlers[claim.tag](strand, Writes(connection, self._module))
        except LeaseError:  # another process plays this part now, and every strand is its
            raise
        except TRIED_AGAIN as error:
            if connection.closed:
                raise
            if claim.attempts < self._settings.attempts:
                delay_s = self._settings.retry_s * 2 ** (claim.attempts - 1)
                log.warning("strand %s is tried again in %.1f s: %s", claim.strand_id, delay_s, _told(error))
                batch.again.append(Again(seq=claim.seq, error=_told(error), after_s=delay_s))
            else:
                await self._give_up(held, "failed", _told(error), batch)
        except Exception as error:  # noqa: BLE001 - a strand that nobody can handle is marked, and told of
            await self._give_up(held, "failed", _told(error), batch)
        else:
            batch.ends.append(End(seq=claim.seq, state="done"))

    async def _give_up(self, held: Held, fate: Fate, reason: str, batch: Batch) -> None:
        """Mark it, and tell whoever waits for an answer; where that fails too, it stays marked."""
        claim, connection = held.claim, batch.connection
        log.warning("strand %s of %s is given up, %s: %s", claim.strand_id, claim.source, fate, reason)
        batch.ends.append(End(seq=claim.seq, state=fate, error=reason))
        if self._on_fate is None or held.row is None:
            return
        try:
            with cut_after(connection, self._settings.lease_s + GRACE_S):
                async with batch.part(), asyncio.timeout(self._settings.lease_s):
                    await self._on_fate(_strand(held), fate, reason, Writes(connection, self._module))
        except LeaseError:
            raise
        except Exception:
            if connection.closed:
                raise
            log.exception("nobody could be told of strand %s", claim.strand_id)


def _strand(held: Held) -> Strand:
    if held.row is None:
        raise ContractError(f"strand {held.claim.strand_id} is not in {held.claim.source} any more")
    return strand_of(held.claim.source, held.row)


def _told(error: BaseException) -> str:
    """Type and reason in one line, without a character that PostgreSQL's JSON does not take."""
    text = one_line(error) if isinstance(error, psycopg.Error) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}".replace("\0", "")[:500]
