"""The recovery checklist: each check is asked of whoever knows, anew each time."""

import asyncio
from collections.abc import Awaitable, Callable

from gal_friday_core.errors import GalFridayError
from gal_friday_core.recovery import Check

Ask = Callable[[], str | Awaitable[str]]
"""Says what stands against trading, in words; an empty text says nothing does."""

PATIENCE_S = 15.0
"""A check that has not answered by then does not hold."""


class RecoveryChecklist:
    """Named checks, in the order added. A check that fails to answer does not hold."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._asks: dict[str, Ask] = {}
        self._patience_s = patience_s

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._asks)

    def add(self, name: str, ask: Ask) -> None:
        """Add a check, or replace the one of that name."""
        self._asks[name] = ask

    async def run(self) -> tuple[Check, ...]:
        """Ask everybody."""
        return tuple([Check(name, await self._answer(ask)) for name, ask in self._asks.items()])

    async def _answer(self, ask: Ask) -> str:
        try:
            async with asyncio.timeout(self._patience_s):
                answer = ask()
                return answer if isinstance(answer, str) else await answer
        except TimeoutError:
            return f"no answer within {self._patience_s:g} s"
        except (GalFridayError, OSError) as error:
            return f"{type(error).__name__}: {error}"
