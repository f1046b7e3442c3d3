"""What the exchange takes in a pair, as it is told at the start, when it changes, and over a new line."""

import asyncio

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_core.candles import Series
from gal_friday_live.clock import SystemClock
from tests.adapters.kraken.heard import Heard
from tests.adapters.kraken.trading import PAIR, PATIENCE, served, until


async def test_a_pairs_status_is_told_at_the_start_at_each_change_and_over_a_new_line():
    async with served() as kraken:
        venue = kraken.exchange
        client = KrakenClient(
            [Series("kraken", PAIR, "1m")], SystemClock(), url=f"{kraken.socket_url}/v2", patience=PATIENCE
        )
        heard = Heard()
        running = asyncio.create_task(client.run(heard))
        async with asyncio.timeout(20):
            await client.standing()
        assert heard.listings == [(PAIR, "online")]
        venue.set_pair_status(PAIR, "cancel_only")
        await until(lambda: heard.listings[-1] == (PAIR, "cancel_only"))
        kraken.hang_up()
        venue.set_pair_status(PAIR, "post_only")
        await until(lambda: heard.listings[-1] == (PAIR, "post_only"))
        kraken.hang_up()
        venue.set_pair_status(PAIR, "online")
        await until(lambda: len(heard.listings) == 4)
        assert heard.listings[-1] == (PAIR, "online")
        await client.close()
        await running
