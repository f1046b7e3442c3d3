"""How a service lives and ends, a whole engine or one role of a split one: beat until it is over, then step by step."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from gal_friday_core.errors import GalFridayError
from gal_friday_live import systemd
from gal_friday_live.heartbeat import Deliveries, Heartbeat

BEAT_S = 0.2
"""How often a service looks whether it is to end, and tells the service manager that it lives."""
STOP_WITHIN_S = 20.0
"""Each step of stopping."""

Step = Callable[[], Awaitable[object]]

log = logging.getLogger(__name__)


class Living(Protocol):
    """What beats: `run` until the feed ends, which `end_feed` brings about."""

    @property
    def bus(self) -> Deliveries: ...

    def is_over(self) -> bool:
        """Whether it was asked to stop, or its market has ended."""

    def require_lease(self) -> None:
        """Raises LeaseError once another process has taken over."""

    async def run(self) -> None: ...

    async def end_feed(self) -> None: ...

    async def reload(self, who: str) -> Mapping[str, Any]: ...


async def live_until_over(living: Living, *, seconds: float | None, reload: asyncio.Event) -> None:
    """Beat while it lives, `seconds` at the most. Raises what ended its feed, LeaseError once it has no lease."""
    loop = asyncio.get_running_loop()
    until = None if seconds is None else loop.time() + seconds
    heartbeat = Heartbeat(living.bus)
    running = asyncio.ensure_future(living.run())
    try:
        while not running.done() and not living.is_over():
            if until is not None and loop.time() >= until:
                break
            living.require_lease()
            if still := heartbeat.stands_still():
                log.error("the watchdog is told nothing: %s", still)
            else:
                systemd.notify("WATCHDOG=1")
            if reload.is_set():
                reload.clear()
                await _reloaded(living)
            await asyncio.wait({running}, timeout=BEAT_S)
        await living.end_feed()
        await running
    finally:
        running.cancel()


async def ended(steps: Iterable[Step]) -> list[GalFridayError]:
    """Take every step of stopping; those that failed. One that hangs or fails holds up none of the others."""
    failures = []
    for step in steps:
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await step()
        except TimeoutError:
            log.warning("stopping goes on without %s, which hangs", getattr(step, "__qualname__", step))
        except GalFridayError as error:
            failures.append(error)
    return failures


async def _reloaded(living: Living) -> None:
    """By a signal nobody can be answered: what came of it stands in log and journal."""
    try:
        await living.reload("SIGHUP")
    except GalFridayError as error:
        log.error("the configuration was not reloaded: %s", error)  # noqa: TRY400 - it says all there is
