"""Many random worlds, each played by the fast way of backtests and by the engine: a check of this very installation."""

import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from gal_friday_live.backtest_check import differences
from gal_friday_live.backtest_worlds import world

CHUNK = 25
"""Worlds that a process is given at once."""


def checked(worlds: int, first: int = 0, jobs: int = 1) -> Iterator[tuple[int, list[str]]]:
    """After every chunk: how many worlds were played, and what differs in those of the chunk, each line with its seed.

    Seeds run from `first` on. With one job no process is started.
    """
    firsts = range(first, first + worlds, CHUNK)
    counts = [min(CHUNK, first + worlds - begin) for begin in firsts]
    if jobs == 1:
        yield from ((count, _chunk(begin, count)) for begin, count in zip(firsts, counts, strict=True))
        return
    # Compiled code and threads of a parent are nothing to fork: each process starts by itself.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from zip(counts, pool.map(_chunk, firsts, counts), strict=True)


def _chunk(first: int, count: int) -> list[str]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # halts are part of the play
    try:
        return [line for seed in range(first, first + count) for line in differences(world(seed))]
    finally:
        logging.disable(before)
