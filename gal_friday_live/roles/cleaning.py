"""Finished strands leave by the clock: the decision maker sees to it, who is one in an account."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gal_friday_core.errors import StorageError
from gal_friday_core.strands.settings import StrandsCleanupConfig

HOUR_S: Final = 3_600.0
AGAIN_S: Final = 60.0
"""After a database that did not answer."""

log = logging.getLogger(__name__)


class Cleans(Protocol):
    async def clean(self, days: int) -> int: ...


async def clean_by_the_clock(
    strands: Cleans,
    settings: StrandsCleanupConfig,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Remove what ended long ago, now and every so many hours, until cancelled; nothing where that is turned off."""
    while settings.enabled:
        try:
            removed = await strands.clean(settings.retention_days)
        except StorageError as error:
            log.info("finished strands stay a while longer: %s", error)
            await sleep(AGAIN_S)
            continue
        log.info("%d finished strands are removed", removed)
        await sleep(settings.cleanup_interval_hours * HOUR_S)
