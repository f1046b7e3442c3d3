"""Recorded markets as awkward as a real session, from a seed."""

import numpy as np

from gal_friday_core.market_events import BAR, BOOK, GAP, INVALID, LEVELS, TRADE, MarketEvents
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso

START = from_iso("2024-02-28T13:37:12Z")


def book_market(
    seed: int, events: int, *, pace_s: float = 1.0, losses: float = 0.002, silences: float = 0.002
) -> MarketEvents:
    """Books of a wandering price with trades between them, losses of either, silences, thin and one-sided books."""
    rng = np.random.default_rng(seed)
    odd = [losses, losses, losses, losses / 2]
    kind = rng.choice([BOOK, TRADE, INVALID, GAP, BAR, -1], events, p=[0.6 - sum(odd), 0.4, *odd]).astype(
        np.int8
    )
    one_sided, kind = kind == -1, np.where(kind == -1, BOOK, kind).astype(np.int8)
    steps = rng.exponential(pace_s, events) * rng.choice([0, 1, 1], events)
    steps += np.where(rng.random(events) < silences, rng.uniform(0, 900, events), 0)
    ts = START + np.cumsum(steps * SECOND_NS).astype(np.int64)
    late = rng.random(events) < losses
    made = ts - rng.integers(0, SECOND_NS, events) - np.where(late, 20 * SECOND_NS, 0)
    made = np.where(kind == BAR, ts // MINUTE_NS * MINUTE_NS - MINUTE_NS, made)
    made = np.where((kind == INVALID) | (kind == GAP), 0, made)
    books, trades = kind == BOOK, kind == TRADE
    mid = 30_000_0 + np.cumsum(rng.integers(-3, 4, events) * (rng.random(events) < 0.3))
    ladders = [_ladder(rng, mid, side, books) for side in (-1, 1)]
    ladders[0][1][one_sided] = ladders[0][0][one_sided] = 0
    price = np.where(trades, mid + rng.integers(-5, 6, events), 0)
    quantity = np.where(trades, rng.lognormal(16, 2, events).astype(np.int64) + 1, 0)
    side = np.where(trades, rng.choice([-1, 1], events), 0).astype(np.int8)
    trade_id = np.where(trades, np.cumsum(trades), 0)
    return MarketEvents(
        "kraken", "BTC/USD", 1, 8, ts, made, kind, *ladders[0], *ladders[1], price, quantity, side, trade_id
    )


def _ladder(
    rng: np.random.Generator, mid: np.ndarray, side: int, books: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Prices and quantities of one side, best first; sometimes fewer than all levels."""
    rows = len(mid)
    gaps = 1 + rng.poisson(1, (rows, LEVELS))
    prices = mid[:, None] + side * np.cumsum(gaps, axis=1)
    quantities = rng.lognormal(18, 2, (rows, LEVELS)).astype(np.int64) + 1
    held = np.where(rng.random(rows) < 0.1, rng.integers(1, LEVELS + 1, rows), LEVELS)
    absent = (np.arange(LEVELS) >= held[:, None]) | ~books[:, None]
    return np.where(absent, 0, prices), np.where(absent, 0, quantities)


def minutes_of(events: MarketEvents) -> np.ndarray:
    """Every whole minute of a session, its first and last included."""
    first, last = int(events.ts[0]) // MINUTE_NS, int(events.ts[-1]) // MINUTE_NS
    return np.arange(first, last + 2) * MINUTE_NS


def seconds_of(events: MarketEvents, every: int) -> np.ndarray:
    """Times of a session every so many seconds."""
    return np.arange(int(events.ts[0]), int(events.ts[-1]) + SECOND_NS, every * SECOND_NS)
