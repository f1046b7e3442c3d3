"""Connections by their ids, against a local server: established, watched, made anew, measured."""

from contextlib import asynccontextmanager

import pytest

from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_core.errors import ConfigError, ExchangeError
from gal_friday_live.clock import SystemClock
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager
from tests.adapters.kraken.heard import Heard
from tests.adapters.kraken.local_kraken import local_kraken
from tests.live.world import SERIES, manager

PATIENCE = Patience(silence_s=0.5, answer_s=0.5, retry_s=0.01, retry_max_s=0.05, first_attempts=2)


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    load()


@asynccontextmanager
async def connected(*subscriptions):
    async with local_kraken(SystemClock()) as (venue, url):
        connections = WebSocketConnectionManager(manager(), sink=(heard := Heard()), patience=PATIENCE)
        connection_id = await connections.establish_connection(url, list(subscriptions))
        try:
            yield venue, connections, connection_id, heard
        finally:
            await connections.close()


async def test_an_established_connection_stands_and_hears():
    async with connected("book:BTC/USD", "trade:BTC/USD") as (venue, connections, connection_id, heard):
        health = await connections.monitor_connection_health(connection_id)
        assert health["healthy"]
        assert (health["system"], health["unverified_books"]) == ("online", [])
        await venue.change("BTC/USD")
        await venue.trade("BTC/USD")
        await heard.until(lambda: heard.book_messages == 2 and len(heard.trades) == 1)
        assert {r["params"]["channel"] for r in venue.requests if "params" in r} == {
            "instrument",
            "book",
            "trade",
        }
        metrics = (await connections.get_connection_metrics())[connection_id]
        assert metrics["stands"]
        assert (metrics["book_updates"], metrics["snapshots"], metrics["trades"]) == (1, 1, 1)


async def test_reconnection_makes_a_new_line_and_says_whether_it_stands():
    async with connected("book:BTC/USD") as (venue, connections, connection_id, heard):
        assert await connections.handle_reconnection(connection_id)
        assert heard.invalid == [("BTC/USD", "DISCONNECTED")]
        metrics = (await connections.get_connection_metrics())[connection_id]
        assert metrics["connections"] == 2
        assert len(venue.subscribed) == 1


async def test_an_unhealthy_connection_is_seen():
    async with connected("book:BTC/USD") as (venue, connections, connection_id, heard):
        venue.mute = True
        venue.drop()
        await heard.until(lambda: heard.invalid)
        assert not (await connections.monitor_connection_health(connection_id))["healthy"]


async def test_wrong_subscriptions_and_unknown_ids_are_refused_in_words():
    connections = WebSocketConnectionManager(manager(), sink=Heard(), patience=PATIENCE)
    with pytest.raises(ConfigError, match="cannot subscribe to 'level3:BTC/USD'"):
        await connections.establish_connection("ws://127.0.0.1:1/v2", ["level3:BTC/USD"])
    with pytest.raises(ConfigError, match="without subscriptions"):
        await connections.establish_connection("ws://127.0.0.1:1/v2", [])
    with pytest.raises(ConfigError, match="give the manager a sink"):
        await WebSocketConnectionManager(manager()).establish_connection(
            "ws://127.0.0.1:1/v2", ["book:BTC/USD"]
        )
    with pytest.raises(ExchangeError, match="no connection 'kraken-9'; there are: none"):
        await connections.monitor_connection_health("kraken-9")


async def test_an_exchange_that_is_not_there_is_one_clear_error():
    async with local_kraken(SystemClock()) as (_, url):
        pass
    connections = WebSocketConnectionManager(manager(), sink=Heard(), patience=PATIENCE)
    with pytest.raises(ExchangeError, match="cannot reach Kraken"):
        await connections.establish_connection(url, ["book:BTC/USD"])


def test_the_engines_feed_is_made_of_the_market_section():
    market = {"websocket_url": "ws://127.0.0.1:9/v2", "depth": 25, "max_silence_s": 1.5}
    connections = WebSocketConnectionManager(manager(market=market))
    client = connections.feed([SERIES])
    assert (client.url, client.depth, client.patience.silence_s) == ("ws://127.0.0.1:9/v2", 25, 1.5)
