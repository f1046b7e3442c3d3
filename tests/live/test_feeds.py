"""Recorded history as a feed: every bar once, in order of its close, the numbers unchanged."""

import asyncio
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.candles import Candles, Series
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.feeds import CHUNK, RecordedFeed, bars
from tests.live.world import START, market


async def drain(feed):
    return [candle async for candle in feed.candles()]


async def test_every_bar_comes_once_in_order_and_moves_the_clock_to_its_close():
    candles, clock = market()[: CHUNK + 10], SimulatedClock()
    seen = []
    async for candle in RecordedFeed((candles,), clock).candles():
        seen.append(candle.timestamp_bar_start)
        assert clock.now_ns() == candle.timestamp_bar_start + MINUTE_NS
    assert seen == candles.ts.tolist()


@given(st.lists(st.floats(min_value=1e-9, max_value=1e12), min_size=5, max_size=5))
def test_prices_read_back_as_the_stored_numbers(row):
    columns = [np.array([number]) for number in row]
    candles = Candles(Series("k", "A/B", "1m"), np.array([0]), *columns, np.array([1]))
    (bar,) = bars(candles)
    assert [float(x) for x in (bar.open, bar.high, bar.low, bar.close, bar.volume)] == row
    assert isinstance(bar.open, Decimal)


async def test_two_series_are_merged_by_the_time_their_bars_close():
    minute = market()[:30]
    five = Series("kraken", "ETH/USD", "5m")
    slow = Candles(five, *(column[:6] for column in minute.columns()))
    slow = Candles(five, START + np.arange(6, dtype=np.int64) * five.interval_ns, *slow.columns()[1:])
    seen = await drain(RecordedFeed((minute, slow), SimulatedClock()))
    closes = [bar.timestamp_bar_start + (5 if bar.interval == "5m" else 1) * MINUTE_NS for bar in seen]
    assert len(seen) == 36
    assert closes == sorted(closes)


async def test_a_chosen_speed_paces_the_bars():
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = await drain(RecordedFeed((market()[:20],), SimulatedClock(), bars_per_second=1_000))
    assert len(seen) == 20
    assert loop.time() - began >= 20 / 1_000 * 0.99


async def test_a_closed_feed_ends():
    feed, seen = RecordedFeed((market(),), SimulatedClock()), []
    async for candle in feed.candles():
        seen.append(candle)
        await feed.close()
    assert len(seen) == 1


async def test_listeners_get_their_turn_in_a_replay_at_full_speed():
    turns = 0

    async def listen():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    listener = asyncio.create_task(listen())
    await drain(RecordedFeed((market()[:1_000],), SimulatedClock()))
    listener.cancel()
    assert turns >= 10
