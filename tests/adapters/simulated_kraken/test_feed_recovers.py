"""The engine's own feed on the simulated exchange, with faults switched on by seed: it recovers each time."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median

import pytest

from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.candles import Series
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import DEMO_LISTINGS
from gal_friday_core.venue.markets import GeneratedMarket
from gal_friday_live.clock import SystemClock
from tests.adapters.kraken.heard import Heard
from tests.adapters.simulated_kraken.running import running

PAIRS = ("BTC/USD", "ETH/USD")
QUICK = Patience(silence_s=1.0, answer_s=1.0, retry_s=0.01, retry_max_s=0.05)


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    load()


def busy_exchange() -> Exchange:
    """Two pairs in which something happens a hundred times a second."""
    listings = tuple(listing for listing in DEMO_LISTINGS if listing.symbol in PAIRS)
    markets = {
        listing.symbol: GeneratedMarket(listing, number, orders_a_second=100.0)
        for number, listing in enumerate(listings)
    }
    venue = Venue(seed=1, start_ns=time.time_ns(), listings=listings, markets=markets)
    return Exchange(venue, now=time.time_ns, faults=WireFaults({}, seed=7), tokens=Tokens(os.urandom))


@asynccontextmanager
async def following(url: str) -> AsyncIterator[tuple[KrakenClient, Heard]]:
    series = [Series("kraken", pair, "1m") for pair in PAIRS]
    client, heard = KrakenClient(series, SystemClock(), url=url, patience=QUICK), Heard()
    task = asyncio.create_task(client.run(heard))
    try:
        async with asyncio.timeout(20):
            await client.standing()
        yield client, heard
    finally:
        await client.close()
        await task


def told(name: str, detected: Sequence[float], recovered: Sequence[float]) -> str:
    worst = (max(detected), max(recovered))
    return (
        f"{name}: {len(recovered)} times, silent for {median(detected):.3f} s (most {worst[0]:.3f}) when found, "
        f"stood again after {median(recovered):.3f} s (most {worst[1]:.3f})"
    )


@pytest.mark.parametrize(("fault", "chance"), [("disconnect", 0.02), ("half_open", 0.02)])
def test_lost_line_is_noticed_and_replaced(fault: str, chance: float, capsys: pytest.CaptureFixture[str]):
    served = busy_exchange()

    async def follow(url: str) -> None:
        async with following(url) as (client, heard):
            served.faults.set(fault, chance)
            await heard.until(lambda: len(client.counts.recovered_s) >= 3, seconds=60)
            served.faults.set(fault, 0)
            await heard.until(lambda: client.stands and len(heard.usable) == len(PAIRS))
            with capsys.disabled():
                print("\n" + told(fault, client.counts.detected_s, client.counts.recovered_s))
            assert served.faults.counts[fault] >= 3

    with running(served) as kraken:
        asyncio.run(follow(f"{kraken.socket_url}/v2"))


def test_wrong_checksums_are_found_and_healed():
    served = busy_exchange()

    async def follow(url: str) -> None:
        async with following(url) as (client, heard):
            served.faults.set("checksum", 0.05)
            await heard.until(lambda: len(heard.invalid) >= 5, seconds=60)
            served.faults.set("checksum", 0)
            await heard.until(lambda: client.stands and len(heard.usable) == len(PAIRS))
            assert {reason for _, reason in heard.invalid} == {"CHECKSUM"}
            assert client.counts.losses == 0

    with running(served) as kraken:
        asyncio.run(follow(f"{kraken.socket_url}/v2"))


def test_every_trade_of_a_faultless_exchange_is_heard_once():
    served = busy_exchange()

    async def follow(url: str) -> None:
        async with following(url) as (_, heard):
            await heard.until(lambda: len(heard.trades) >= 40, seconds=60)
            for pair in PAIRS:
                ids = [trade_id for traded, trade_id in heard.trades if traded == pair]
                assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert heard.gaps == heard.invalid == []

    with running(served) as kraken:
        asyncio.run(follow(f"{kraken.socket_url}/v2"))
