"""What a handler is given: the transaction in which its strand is acknowledged, and what it may write there."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from gal_friday_adapters.postgres.database import Connection
from gal_friday_core.strands.strands import Strand


class Transaction(Protocol):
    """Everything done through it becomes durable together with the acknowledgement, or not at all."""

    @property
    def connection(self) -> Connection:
        """For effects in other tables; never commit or roll back on it."""
        ...

    async def write_with_tags(self, strand: Strand) -> str:
        """Write a strand of this module's own table; its id. Raises ContractError for tags it may not say."""
        ...

    async def write_many(self, strands: Sequence[Strand]) -> list[str]:
        """The same for several, with one statement."""
        ...


Handler = Callable[[Strand, Transaction], Awaitable[None]]
"""Handles one strand. What it raises decides what becomes of it: an error of the database is tried again, a bounded
number of times; any other marks the strand `error:processing_failed`. Either way nothing of it is written."""

Fate = Literal["expired", "failed"]
FateHandler = Callable[[Strand, Fate, str, Transaction], Awaitable[None]]
"""Hears of a strand that will never be handled, and why, in the transaction that marks it: the place to tell whoever
waits for an answer."""
