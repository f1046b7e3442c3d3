"""Limits that are tightened while the engine runs: at once, in every service, and in the journal."""

from types import SimpleNamespace

import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.ids import random_ids
from gal_friday_live.limit_reload import LimitReload
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.market_price_service import MarketPriceService
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.pace import paced
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager
from tests.live.running import SPEED, running, serving
from tests.live.seeded import seed_model
from tests.live.world import SERIES


class Written:
    """A configuration file and who reads it."""

    def __init__(self, folder, text=""):
        self.path = folder / "config.yaml"
        self.says(text)
        self.manager = ConfigurationManager(
            str(self.path), environ={"GAL_FRIDAY_DATA_DIR": str(folder / "data")}
        )
        self.manager.load_config()

    def says(self, text):
        self.path.write_text(text)


def reloading(manager, journal):
    return LimitReload(manager, journal=journal, clock=SystemClock(), ids=random_ids())


async def test_what_was_taken_over_and_what_waits_is_told_and_journalled(tmp_path):
    written, journal = Written(tmp_path, "risk:\n  max_spread: 0.02\n"), MemoryJournal()
    written.says("risk:\n  max_spread: 0.005\n  min_order_value: 9\nmarket:\n  pairs: [ETH/USD]\n")
    told = await reloading(written.manager, journal).reload("ada")
    assert told["taken"] == [{"key": "risk.max_spread", "before": "0.02", "after": "0.005"}]
    assert told["next_start"] == ["market.pairs", "risk.min_order_value"]
    assert told["config_hash"] == fingerprint(written.manager.config)
    (entry,) = journal.entries
    assert (entry.kind, entry.record) == ("CONFIG_RELOAD", {"who": "ada", "outcome": "TAKEN", **told})


async def test_a_looser_limit_refuses_all_of_it_by_name(tmp_path):
    written, journal = Written(tmp_path), MemoryJournal()
    written.says("risk:\n  max_spread: 0.001\n  max_total_drawdown: 0.5\nmonitoring:\n  min_disk_mb: 1\n")
    with pytest.raises(
        ConfigError, match=r"max_total_drawdown \(0.20 to 0.5\), monitoring.min_disk_mb \(512 to 1\)"
    ):
        await reloading(written.manager, journal).reload("ada")
    assert written.manager.config.risk.max_spread == 0.01
    (entry,) = journal.entries
    assert entry.record["outcome"] == "REFUSED"
    assert "risk.max_total_drawdown" in entry.record["why"]


async def test_limits_hold_even_where_the_journal_cannot_say_so(tmp_path):
    async def append(*_):
        raise StorageError("the disk is full")

    written = Written(tmp_path)
    written.says("risk:\n  max_spread: 0.001\n")
    with pytest.raises(StorageError, match=r"the limits hold, but .*the disk is full"):
        await reloading(written.manager, SimpleNamespace(append=append)).reload("ada")
    assert written.manager.config.risk.max_spread == 0.001


def test_a_market_in_fast_time_reads_the_same_file_again(tmp_path):
    written = Written(tmp_path, "market:\n  max_lag_s: 4\n")
    fast = paced(written.manager, "http://127.0.0.1:1", 10.0)
    assert fast.reload() == []
    written.says("market:\n  max_lag_s: 3\n")
    assert [(each.key, each.before, each.after) for each in fast.reload()] == [
        ("market.max_lag_s", "40.0", "30.0")
    ]
    assert fast.config.market.websocket_url == "ws://127.0.0.1:1/v2"


def test_ages_of_the_market_follow(tmp_path):
    written = Written(tmp_path)
    now = SimpleNamespace(now_ns=lambda: 4 * 10**9)
    prices = MarketPriceService(written.manager, clock=now)
    book = SimpleNamespace(verified=True, bid_prices=[99], ask_prices=[101], price_decimals=0)
    prices.on_book("BTC/USD", book, 10**9, b"")
    lines = WebSocketConnectionManager(written.manager, clock=SystemClock())
    feed = lines.feed((SERIES,))
    assert prices.middle("BTC/USD") is not None
    written.says("market:\n  max_book_age_s: 2\n  max_lag_s: 1\n")
    assert len(written.manager.reload()) == 2
    assert prices.middle("BTC/USD") is None
    assert feed.lag_s == lines.feed((SERIES,)).lag_s == 1


async def test_a_running_engine_takes_tighter_limits_over(database_url, tmp_path):
    written = Written(tmp_path)
    await seed_model(database_url, tmp_path / "data")
    async with (
        serving(tmp_path) as server,
        running(written.manager, LiveRequest(venue=server.url), database_url) as engine,
    ):
        await engine.until(lambda status: status["orders"])
        written.says(f"monitoring:\n  halt_memory_mb: 64\nmarket:\n  max_lag_s: {5 / SPEED}\n")
        told = await engine.ask("reload", who="ada")
        assert {each["key"] for each in told["taken"]} == {"monitoring.halt_memory_mb", "market.max_lag_s"}
        status = await engine.until(lambda status: status["halted"])
        assert status["halt_reason"] == "MEMORY"
        written.says("monitoring:\n  halt_memory_mb: 4096\n")
        with pytest.raises(ConfigError, match=r"halt_memory_mb \(64 to 4096\)"):
            await engine.ask("reload", who="ada")
        written.says(
            f"monitoring:\n  halt_memory_mb: 64\nrisk:\n  max_spread: 0.001\nmarket:\n  max_lag_s: {5 / SPEED}\n"
        )
        engine.reload.set()
        kept = await reloads(database_url, engine.told["session"], 3)
        assert [(record["who"], record["outcome"]) for record in kept] == [
            ("ada", "TAKEN"), ("ada", "REFUSED"), ("SIGHUP", "TAKEN"),
        ]  # fmt: skip


async def reloads(database_url, session, count):
    """The session's records of reloads, once there are so many."""
    async with Database(database_url) as database:
        journal = PostgresJournal(database, session, SystemClock())
        found = []
        while len(found) < count:
            found = [entry.record async for entry in journal.read(kind="CONFIG_RELOAD")]
        await journal.close()
    return found
