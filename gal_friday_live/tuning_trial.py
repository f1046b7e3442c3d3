"""One tuning, tried: blocks with it and without it in pairs, the order of each pair by lot, and always undone at the end."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gal_friday_live.tunings import Tuning

SETTLES: Final = 0.1
"""Share of a block that passes unmeasured after a change."""
MOST_SETTLING_S: Final = 0.5
WORKS: Final = 25
"""So often a tuning's own work is done in a block."""

Pause = Callable[[float], Awaitable[None]]


class GivenUpError(Exception):
    """The trial ended before its time: under the tuning something else became worse."""


async def pairs_of_blocks(
    tuning: Tuning,
    *,
    pairs: int,
    block_s: float,
    lot: random.Random,
    guard: Callable[[], str],
    told: Callable[[int], None] = lambda _: None,
    pause: Pause = asyncio.sleep,
) -> list[tuple[float, float]]:
    """(without, with) for each pair; `told` hears how many are done. The tuning is not in force on return.

    `guard` says after each block with it why it must not go on. Raises GivenUpError with that.
    """
    found = []
    try:
        for number in range(pairs):
            told(number)
            measured = {}
            for applied in random_order(lot):
                await (tuning.apply() if applied else tuning.undo())
                await pause(min(block_s * SETTLES, MOST_SETTLING_S))
                measured[applied] = await _block(tuning, block_s, pause)
                if applied and (why := guard()):
                    raise GivenUpError(why)
            found.append((measured[False], measured[True]))
        told(pairs)
    finally:
        await tuning.undo()
    return found


def random_order(lot: random.Random) -> tuple[bool, bool]:
    """With the tuning and without it, or the other way."""
    first = lot.random() < 0.5
    return first, not first


async def _block(tuning: Tuning, block_s: float, pause: Pause) -> float:
    """What it cost per base; zero where nothing happened."""
    cost, base = tuning.counts()
    if tuning.work is None:
        await pause(block_s)
    else:
        for _ in range(WORKS):
            began = time.monotonic()
            await tuning.work()
            await pause(max(block_s / WORKS - (time.monotonic() - began), 0.0))
    cost_then, base_then = tuning.counts()
    return (cost_then - cost) / (base_then - base) if base_then > base else 0.0
