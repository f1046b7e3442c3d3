"""The journal's database hangs or its disk fills up: no new risk, cancels still work, the halt outlives it all."""

import asyncio
import os
import shutil
import subprocess
import uuid
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.errors import StorageError
from gal_friday_core.payloads import TradeSignalApproved
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_live.clock import SystemClock
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.probes import Answers, FreeDisk, LoopLag
from tests.adapters.postgres.standing_still import standing_still
from tests.live.trading import CASH, collect, trading
from tests.live.world import CALM, START, manager, market, played

SESSION = str(uuid.UUID(int=9))
PAIR = "BTC/USD"


class Watched(PaperExchange):
    """What reached the exchange, in order."""

    def __init__(self, *given):
        super().__init__(*given)
        self.heard = []

    async def submit(self, order):
        self.heard.append(("submit", order.signal_id))
        await super().submit(order)

    async def cancel(self, client_order_id):
        self.heard.append(("cancel", client_order_id))
        await super().cancel(client_order_id)


def approved(signal_id):
    """A buy that rests far below the market."""
    return TradeSignalApproved(
        signal_id=signal_id, trading_pair=PAIR, exchange="kraken", side="BUY", order_type="LIMIT",
        quantity=Decimal("0.01"), risk_parameters={}, reference_price=Decimal(30_000), data_timestamp=START,
        expires_at=2**62, limit_price=Decimal(10_000), sl_price=Decimal(9_000),
    )  # fmt: skip


@asynccontextmanager
async def desk(url, *probes, **monitoring):
    """A started engine whose journal is in a real database and which a probe of it watches."""
    stretch = played(market(2_500))
    config = manager(risk=CALM, monitoring={"recover_after_s": 0, **monitoring})
    simulated = SimulatedExchange([stretch.instrument], {"USD": CASH}, config.config.costs)
    exchange = Watched(simulated, SystemClock())
    async with Database(url) as database:
        journal = PostgresJournal(database, SESSION, SystemClock(), patience_s=2)
        await journal.begin("paper", config_hash="h", code_version="1")
        async with trading(config, stretch=stretch, journal=journal, exchange=exchange) as engine:
            engine.monitoring.watch(*probes)
            for probe in probes:
                engine.tasks.background(probe.run(), probe.code)
            yield engine, exchange
            await journal.close()


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the world outside announces nothing
            await asyncio.sleep(0.01)


def states(url):
    with connect(url) as connection:
        rows = connection.execute("select record from journal where kind = 'SYSTEM_STATE' order by seq")
        return [row[0]["state"] for row in rows]


async def test_while_the_database_hangs_nothing_is_entered_and_entries_can_be_cancelled(
    database_url, postgres
):
    lag = LoopLag()
    async with Database(database_url, size=1) as own:

        async def ask():
            async with own.connection() as connection:
                await connection.execute("select 1")

        silence = Answers("STORAGE_DOWN", ask, every_s=0.05, grace_s=0.2)
        async with desk(database_url, lag, silence, database_silence_s=0.4, loop_lag_s=60) as (
            engine,
            exchange,
        ):
            told = collect(engine, "SYSTEM_STATE_CHANGE")
            await engine.bus.publish("TRADE_SIGNAL_APPROVED", approved("resting"))
            await until(lambda: exchange.heard == [("submit", "resting")])
            with standing_still(postgres):
                lag.read()
                await until(lambda: silence.read() > 0.4)
                await engine.monitoring.check_health()
                assert engine.gate.why(PAIR)[0] == "STORAGE_DOWN"
                assert engine.monitoring.trading_state == "REDUCING"
                await engine.bus.publish("TRADE_SIGNAL_APPROVED", approved("not to be sent"))
                await until(engine.halt.is_halted)  # the intent could not be made durable
                await until(lambda: len(exchange.heard) == 2)
                assert [what for what, _ in exchange.heard] == ["submit", "cancel"]
                assert "HALTED" in [event.payload.new_state for event in told]
                assert not engine.halt.durable
                assert lag.read() < 1  # seconds, while the database has been silent for longer than that
            await until(lambda: silence.read() == 0)
            await engine.monitoring.check_health()
            await until(lambda: engine.halt.durable)
            assert "STORAGE_DOWN" not in [block["code"] for block in engine.gate.blocks()]
        async with desk(database_url) as (engine, _):
            assert engine.halt.halted
            assert engine.halt.reason.startswith("TASK_FAILED: place ")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, small enough to fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=120m,mode=755", "tmpfs", str(folder)]
    if (
        mount is None
        or os.geteuid() != 0
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("only who may mount a file system can fill one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    """Leave nothing free; the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return ballast


async def test_on_a_full_disk_trading_halts_and_entries_can_be_cancelled(small_disk):
    with EmbeddedPostgres(small_disk / "postgres") as server:
        upgrade(server.url())
        disk = FreeDisk(small_disk)
        async with desk(server.url(), disk, min_disk_mb=20, halt_disk_mb=5) as (engine, exchange):
            await engine.bus.publish("TRADE_SIGNAL_APPROVED", approved("resting"))
            await until(lambda: exchange.heard == [("submit", "resting")])
            await disk.look()
            await engine.monitoring.check_health()
            assert engine.gate.why(PAIR) is None
            ballast = fill(small_disk)
            with pytest.raises(StorageError, match="No space left on device"):
                await append_until_refused(engine.journal)
            await disk.look()
            await engine.monitoring.check_health()
            assert engine.gate.why(PAIR)[0] == "DISK_FULL"
            await engine.bus.publish("TRADE_SIGNAL_APPROVED", approved("not to be sent"))
            await until(engine.halt.is_halted)
            await until(lambda: exchange.heard[-1][0] == "cancel")
            assert ("submit", "not to be sent") not in exchange.heard[1:]
            ballast.unlink()
            await disk.look()
            await engine.monitoring.check_health()
            await until(lambda: engine.halt.durable)
            assert engine.gate.why(PAIR) is None
        assert states(server.url())[-1] == "HALTED"


async def append_until_refused(journal):
    """Records that no page has room for, so that the table must grow."""
    for number in range(1_000):
        await journal.append("BALLAST", str(number), number, {"noise": os.urandom(20_000).hex()})
