"""Recorded books for tests, written as what happened second by second."""

import numpy as np

from gal_friday_core.market_events import BOOK, LEVELS, TRADE, MarketEvents
from gal_friday_core.times import SECOND_NS
from tests.core.trading import PAIR


def tape(*happened, pair=PAIR, venue="test"):
    """Each is (second, bids, asks) with levels as (price, quantity), or (second, side, price, quantity) of a trade; prices
    have two decimals, quantities three.
    """
    count = len(happened)
    ladders = [np.zeros((count, LEVELS), np.int64) for _ in range(4)]
    kind, side = np.full(count, TRADE, np.int8), np.zeros(count, np.int8)
    price, quantity = np.zeros(count, np.int64), np.zeros(count, np.int64)
    ts = np.array([round(one[0] * SECOND_NS) for one in happened], np.int64)
    for row, one in enumerate(happened):
        if len(one) == 4:
            side[row] = 1 if one[1] == "buy" else -1
            price[row], quantity[row] = round(one[2] * 100), round(one[3] * 1000)
            continue
        kind[row] = BOOK
        for place, levels in enumerate(one[1:]):
            for level, (at, amount) in enumerate(levels):
                ladders[2 * place][row, level] = round(at * 100)
                ladders[2 * place + 1][row, level] = round(amount * 1000)
    return MarketEvents(
        venue, pair, 2, 3, ts, ts, kind, *ladders, price, quantity, side, np.arange(count, dtype=np.int64) + 1
    )


def walk(seed, seconds=300):
    """A book of three levels a side that wanders a cent a second, with a trade now and then, from second 0 on."""
    rng = np.random.default_rng(seed)
    middle, found = 100.0, []
    for second in range(seconds):
        middle = max(round(middle + float(rng.choice((-0.05, 0, 0.05))), 2), 50.0)
        sizes = rng.integers(1, 400, 6) / 1000
        bids = [(middle - 0.01 * (step + 1), sizes[step]) for step in range(3)]
        asks = [(middle + 0.01 * (step + 1), sizes[3 + step]) for step in range(3)]
        found.append((second, bids, asks))
        if rng.random() < 0.5:
            buys = rng.random() < 0.5
            best = asks[0] if buys else bids[0]
            found.append((second + 0.5, "buy" if buys else "sell", best[0], min(best[1], 0.05)))
    return found
