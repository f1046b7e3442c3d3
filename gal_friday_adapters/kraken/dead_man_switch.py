"""The dead man's switch: Kraken cancels every order of the account unless it hears from us in time.

It cancels protective stops with everything else, so by default it is set only while an entry may stand on the
book: then a dead engine leaves no order behind that would open a position, and where only stops stand they
survive it. `always` keeps it set for as long as the engine runs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gal_friday_core.errors import ExchangeError, OutcomeUnknownError

RETRY_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRule:
    """Seconds. Set for `timeout_s`, and set again every `every_s`."""

    timeout_s: int = 60
    every_s: float = 20.0
    always: bool = False


class DeadManSwitch:
    """`set_switch` sends one setting (0 turns it off); `needed` says whether an entry may stand on the book;
    `fired` hears that the time ran out before we could set it again.
    """

    def __init__(
        self,
        rule: SwitchRule,
        set_switch: Callable[[int], Awaitable[None]],
        *,
        needed: Callable[[], bool],
        fired: Callable[[], None],
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._rule = rule
        self._set = set_switch
        self._needed = needed
        self._fired = fired
        self._timer = timer
        self._sleep = sleep
        self._armed_at: float | None = timer()  # a run before this one may have set it, and died
        self._look = asyncio.Event()

    @property
    def armed(self) -> bool:
        return self._armed_at is not None

    def look(self) -> None:
        """Something was sent that may need it: do not wait for the next round."""
        self._look.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._look.clear()
            await self._rest(await self._round())

    async def off(self) -> None:
        """Turn it off, so that orders outlive us. Raises as a cancel does."""
        if self._armed_at is not None:
            await self._set(0)
            self._armed_at = None

    async def _round(self) -> float:
        """Set it or turn it off as is needed; in how many seconds to look again."""
        now = self._timer()
        if self._armed_at is not None and now - self._armed_at >= self._rule.timeout_s:
            self._armed_at = None
            self._fired()
        try:
            if self._rule.always or self._needed():
                await self._set(self._rule.timeout_s)
                self._armed_at = now
            else:
                await self.off()
        except (ExchangeError, OutcomeUnknownError) as error:
            log.warning("cannot set the dead man's switch: %s", error)
            return RETRY_S
        return self._rule.every_s

    async def _rest(self, seconds: float) -> None:
        tasks = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._look.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
