"""What a bar, a prediction and an order cost PostgreSQL, and what a pair's day takes on disk."""

import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import psutil

from benchmarks import bench_engine
from benchmarks.capacity_measured import best, middle, once
from gal_friday_adapters.feature_tables import table_name
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.config import Config
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.market_simulator import simulate
from gal_friday_core.times import from_iso
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import derived
from gal_friday_live.paper import replay_ports
from gal_friday_live.replay_data import Stretch, instrument_of
from gal_friday_live.wiring import build

BARS, HISTORY = 4_000, 2_000
NOTES, APPENDS = 20_000, 400
DAYS = 31

NOTED_A_BAR, NOTED_HELD = ("FEATURES", "PREDICTION"), ("EQUITY",)
OF_ORDERS = ("SIGNAL", "ORDER_INTENT", "EXECUTION_REPORT", "FILL")
REPORTS = ("EXECUTION_REPORT",)
DURABLE = ("ORDER_INTENT", "EXECUTION_REPORT", "FILL")

_BY_KIND = "select kind, count(*) as rows, sum(pg_column_size(journal.*))::float8 as bytes from journal group by kind"
_STORED = "select pg_total_relation_size('journal')::float8 as bytes, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal"


def measure():
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        url = server.url("gal_friday")
        upgrade(url)
        watched = Server(Path(folder) / "postgres")
        stored = asyncio.run(trading(url))
        written = asyncio.run(writing(url, watched))
    with tempfile.TemporaryDirectory() as folder:
        return {**stored, **written, **lake(Path(folder))}


class Server:
    """The CPU time of a server with all its processes, those that ended not counted."""

    def __init__(self, folder):
        (pid_file,) = folder.rglob("postmaster.pid")
        self.postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))

    def cpu_s(self):
        processes = [self.postmaster, *self.postmaster.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in processes)


async def trading(url):
    """A replay that enters whenever it can, its journal in PostgreSQL: what a bar and what an order leave there."""
    series = bench_engine.SERIES
    candles = simulate(series, from_iso("2024-01-01"), BARS + HISTORY, seed=3)
    past, bars = candles[:HISTORY], candles[HISTORY:]
    stretch = Stretch(series, bars, past, instrument_of(past))
    config = ConfigurationManager.from_config(Config.model_validate({"risk": bench_engine.CALM}))
    async with Database(url) as database:
        journal = PostgresJournal(database, derived("trading"), SystemClock())
        await journal.begin("paper-replay", config_hash="-", code_version="-")
        empty = await rows(database, _STORED)
        engine = build(config, replay_ports(stretch, FixedModels(bench_engine.model(candles, 0.4)), journal))
        await engine.start()
        await engine.run()
        await engine.stop()
        await journal.close()
        [stored], kinds = await rows(database, _STORED), await rows(database, _BY_KIND)
    return figures({row["kind"]: row for row in kinds}, stored, empty[0], engine.summary()["orders"])


def figures(kinds, stored, empty, orders):
    """Indexes and page headers are shared out by the size of the rows."""
    whole = sum(row["bytes"] for row in kinds.values())
    indexed = stored["bytes"] / whole
    logged = (stored["wal"] - empty["wal"]) / whole

    def of(names, share, what="rows"):
        return sum(kinds[name][what] for name in names if name in kinds) / share

    per_bar = of(NOTED_A_BAR, BARS, "bytes")
    return {
        "rows_per_bar": once(of(NOTED_A_BAR, BARS), "rows", "in the journal, of a bar: features and prediction"),
        "bytes_per_bar": once(per_bar * indexed, "bytes", "of the journal with its indexes, of a bar"),
        "wal_per_bar": once(per_bar * logged, "bytes", "of write-ahead log, of a bar"),
        "bytes_per_held_bar": once(
            of(NOTED_HELD, kinds["EQUITY"]["rows"], "bytes") * indexed, "bytes", "more, where something is held"
        ),
        "rows_per_order": once(of(OF_ORDERS, orders), "rows", f"in the journal, of an order, over {orders:,}"),
        "durable_per_order": once(of(DURABLE, orders), "rows", "of them durable before anything else happens"),
        "reports_per_order": once(of(REPORTS, orders), "reports", "of an order, each a strand where roles are split"),
        "bytes_per_order": once(
            of(OF_ORDERS, orders, "bytes") * indexed, "bytes", "of the journal with its indexes, of an order"
        ),
    }  # fmt: skip


async def rows(database, statement):
    async with database.autocommit() as connection:
        return await (await connection.execute(statement)).fetchall()


async def writing(url, server):
    """A note in its batch, and a durable record alone: the engine's CPU, the server's, and how long it takes."""
    record = {
        "client_order_id": "x",
        "quantity": Decimal("0.01"),
        "price": Decimal(29430),
        "values": [0.1] * 36,
    }
    async with Database(url) as database:
        journal = PostgresJournal(database, derived("capacity"), SystemClock())
        await journal.begin("capacity", config_hash="", code_version="")
        await journal.append("WARM", "0", 0, record)
        notes = [await noted(journal, server, record, turn) for turn in range(3)]
        appends = await appended(journal, server, record)
        await journal.close()
    ours, theirs, rate = zip(*notes, strict=True)
    return {
        "note_us": best(ours, "µs", "the engine's CPU for a note: encoded, queued, written in a batch"),
        "note_server_us": best(theirs, "µs", "the server's CPU for a note"),
        "notes_per_s": once(max(rate), "rows/s", "notes that one engine gets written, in batches of 1,000"),
        **appends,
    }


async def noted(journal, server, record, turn):
    began, cpu, theirs = time.perf_counter(), time.process_time(), server.cpu_s()
    for number in range(NOTES):
        journal.note("CAPACITY", f"{turn}:{number}", number, record)
    await journal.flush()
    spent, took = time.process_time() - cpu, time.perf_counter() - began
    return spent / NOTES * 1e6, (server.cpu_s() - theirs) / NOTES * 1e6, NOTES / took


async def appended(journal, server, record):
    times, cpu, theirs = [], time.process_time(), server.cpu_s()
    for number in range(APPENDS):
        began = time.perf_counter()
        await journal.append("ORDER_INTENT", str(number), number, record)
        times.append((time.perf_counter() - began) * 1e3)
    spent = (time.process_time() - cpu) / APPENDS * 1e6
    times.sort()
    return {
        "append_ms": middle(times, "ms", "a durable record, from call to disk, median").short(),
        "append_p99_ms": once(times[len(times) * 99 // 100], "ms", "the same, 99th percentile"),
        "append_us": once(spent, "µs", "the engine's CPU for a durable record"),
        "append_server_us": once(
            (server.cpu_s() - theirs) / APPENDS * 1e6, "µs", "the server's CPU for a durable record"
        ),
    }


def lake(folder):
    """A month of one-minute bars, and their features, as stored."""
    series = bench_engine.SERIES
    candles = simulate(series, from_iso("2024-01-01"), DAYS * 1_440, seed=5)
    CandleLake(folder / "lake").write(candles)
    table = compute(candles)
    columns = {"ts": table.ts, **{name: table.values[:, n] for n, name in enumerate(CANDLES_V1.names)}}
    TableLake(folder / "tables").write(table_name(CANDLES_V1), series.key, "2024-01", columns)
    return {
        "candles_kb_day": once(size(folder / "lake") / DAYS / 1e3, "kB", "one-minute bars of a pair's day in the lake"),
        "features_kb_day": once(size(folder / "tables") / DAYS / 1e3, "kB", "their features"),
    }  # fmt: skip


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


if __name__ == "__main__":
    for name, found in measure().items():
        print(f"{name:20} {found.value:12,.3f} {found.unit:8} {found.how}   {found.runs[:6]}")
