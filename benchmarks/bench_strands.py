"""Strands on an embedded, durable PostgreSQL: how soon one is handled, how quickly many, and what a notification costs.

`latency`: a writer at 20 strands a second, the listener of a decision maker in a process of its own, which answers each
with a strand. `drain`: as many as wait, handled in batches. `outbox`: ten writers, the product's way (so many strands, one
commit, one empty hint) beside the protocol as it was first written (a commit and a notification with the id for each row),
in turns, with somebody listening; and as many rows and one hint a commit in a table without inbox, checks and answers: what
this machine gives at most. All of one run; wall time, since that is what a trader waits for.
`processor`: what one writer and its server each spend on a strand.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import ensure_database, upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_adapters.strands.writing import write
from gal_friday_core.strands.strands import AdStrand, DmStrand
from gal_friday_core.strands.tags import hears

WRITERS, WARM = 10, 7
TOGETHER = (50, 200)
"""Strands a commit."""
AS_WRITTEN = (
    "create table if not exists plain_strands (like ad_strands including defaults including indexes)",
    """
    create or replace function notify_from_plain_strands() returns trigger as $$
    begin
        if new.tags @> '["dm:evaluate_plan"]' then perform pg_notify('dm_evaluate_plan', new.id::text); end if;
        return new;
    end $$ language plpgsql
    """,
    """
    create or replace trigger plain_strands_notify after insert on plain_strands
        for each row execute function notify_from_plain_strands()
    """,
)
"""004's own trigger, on a table with the same columns and indexes."""
BARE = "create table if not exists bare_strands (like ad_strands including defaults including indexes)"
PLAIN = """
insert into plain_strands (kind, symbol, timeframe, sig_direction, trading_plan, tags)
values ('signal', %s, %s, %s, %s::jsonb, %s::jsonb)
"""


def plan(number):
    """As large as a real one."""
    said = {
        "signal_id": f"{time.monotonic_ns()}-{number}", "trading_pair": "BTC/USD", "side": "BUY", "entry_type": "MARKET",
        "strategy_id": "threshold", "reference_price": "29400.1", "data_timestamp": "2024-01-01T00:00:00.000000000Z",
        "expires_at": "2024-01-01T00:00:30.000000000Z", "proposed_sl_price": "29106.1", "proposed_tp_price": "29988.1",
        "at": time.perf_counter(),
    }  # fmt: skip
    tags = ("dm:evaluate_plan", "timeout:300")
    return AdStrand(
        kind="signal", symbol="BTC/USD", timeframe="1m", sig_direction="BUY", trading_plan=said, tags=tags
    )


def percentiles(times):
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99) - 1] * 1e3, 2),
    }


def decider(url, count, told):
    """A decision maker that answers every plan; sends when each was handed over, and when it was durable."""
    os.nice(0)
    told.send(asyncio.run(_decide(url, count, told)))


async def _decide(url, count, told):
    heard, handled, done = [], [], asyncio.Event()

    async def decide(strand, transaction):
        heard.append(time.perf_counter() - strand.trading_plan["at"])
        tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
        await transaction.write_with_tags(
            DmStrand(kind="decision", tags=tags, dm_decision={"verdict": "approved"})
        )
        handled.append(strand.trading_plan["at"])

    class Told(ModuleListener):
        async def _drain(self, inbox):
            before = len(handled)
            await super()._drain(inbox)
            now = time.perf_counter()
            durable.extend(now - at for at in handled[before:])
            if len(handled) >= count:
                done.set()

    durable = []
    async with Database(url) as database:
        handlers = dict.fromkeys(hears("dm"), decide)
        listener = asyncio.create_task((one := Told(database, "dm", handlers)).run())
        await one.ready.wait()
        told.send("ready")
        await asyncio.wait_for(done.wait(), 120)
        listener.cancel()
        await asyncio.wait({listener})
    return heard, durable


async def _latency(url, count, rate):
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=decider, args=(url, count, there))
    child.start()
    assert await asyncio.to_thread(here.recv) == "ready"
    async with Database(url) as database:
        alpha, loop = DirectTableCommunicator(database, "alpha"), asyncio.get_running_loop()
        begun, written = loop.time(), []
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
            at = loop.time()
            await alpha.write_with_tags(plan(number))
            written.append(loop.time() - at)
        heard, durable = await asyncio.to_thread(here.recv)
    child.join(30)
    return {
        "insert": percentiles(written),
        "handler": percentiles(heard),
        "durable": percentiles(durable),
    }


async def _drain(url, count):
    async with Database(url) as database:
        alpha = DirectTableCommunicator(database, "alpha")
        for _ in range(count // 500):
            await alpha.write_many([plan(number) for number in range(500)])

        async def decide(strand, transaction):
            tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
            await transaction.write_with_tags(
                DmStrand(kind="decision", tags=tags, dm_decision={"verdict": "refused"})
            )

        listener = ModuleListener(database, "dm", dict.fromkeys(hears("dm"), decide))
        begun = time.perf_counter()
        handled = await listener.pump()
        took = time.perf_counter() - begun
        await listener.close()
    assert handled == count, handled
    return round(count / took)


async def _writers(database, seconds, write):
    """Rows a second of ten writers at once."""
    written = 0

    async def one(connection):
        nonlocal written
        while time.perf_counter() < until:
            rows = await write(connection)  # awaited first: what others count meanwhile is not lost
            written += rows

    connections = [await database.dedicated() for _ in range(WRITERS)]
    for _ in range(WARM):  # a new connection loads its language, and plans its statements
        await asyncio.gather(*(write(connection) for connection in connections))
    begun = time.perf_counter()
    until = begun + seconds
    await asyncio.gather(*(one(connection) for connection in connections))
    took = time.perf_counter() - begun
    for connection in connections:
        await connection.close()
    return written / took


MANY = """
with written as (
    insert into bare_strands (kind, symbol, timeframe, sig_direction, trading_plan, tags)
    select kind, symbol, timeframe, sig_direction, trading_plan, tags from jsonb_to_recordset(%s::jsonb)
        as said(kind text, symbol text, timeframe text, sig_direction text, trading_plan jsonb, tags jsonb)
) select pg_notify('dm_evaluate_plan', '')
"""


async def by_row(connection):
    said, tags = json.dumps(dict(plan(0).trading_plan)), json.dumps(["dm:evaluate_plan", "timeout:300"])
    await connection.execute(PLAIN, ("BTC/USD", "1m", "BUY", said, tags))
    return 1


def by_commit(together):
    async def write_strands(connection):
        return len(await write(connection, "alpha", [plan(number) for number in range(together)]))

    return write_strands


def bare(together):
    async def write_rows(connection):
        rows = msgspec.json.encode([plan(number) for number in range(together)]).decode()
        await connection.execute(MANY, (rows,))
        return together

    return write_rows


async def _outbox(url, seconds, rounds):
    with connect(url) as connection:
        for statement in (*AS_WRITTEN, BARE):
            connection.execute(statement)
    ways = {"row_each": by_row}
    ways |= {f"outbox_of_{together}": by_commit(together) for together in TOGETHER}
    ways |= {f"bare_of_{together}": bare(together) for together in TOGETHER}
    async with Database(url) as database:

        async def listening():
            async for _ in database.listen("dm_evaluate_plan"):
                pass

        ear = asyncio.create_task(listening())
        rates = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                async with database.autocommit() as connection:
                    await connection.execute("checkpoint")  # never in the midst of one way and not of another
                rates[name].append(await _writers(database, seconds, way))
        ear.cancel()
        await asyncio.wait({ear})
    best = {name: max(found) for name, found in rates.items()}
    told = {f"{name}_per_s": round(rate) for name, rate in best.items()}
    return told | {f"{name}_ratio": round(rate / best["row_each"], 1) for name, rate in best.items()}


def _ran_s(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


async def _processor(url, count):
    """Microseconds of processor a strand, on one connection: of the writer, and of its server process."""
    found = {}
    async with Database(url) as database:
        for together in (1, *TOGETHER):
            connection, write_strands = await database.dedicated(), by_commit(together)
            for _ in range(WARM):
                await write_strands(connection)
            mine, its = time.process_time(), _ran_s(connection.info.backend_pid)
            commits = max(1, min(500, count // together))
            for _ in range(commits):
                await write_strands(connection)
            took = (time.process_time() - mine, _ran_s(connection.info.backend_pid) - its)
            await connection.close()
            found[f"of_{together}"] = [round(one / commits / together * 1e6, 1) for one in took]
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round of writers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strands", type=int, default=300, help="that are timed one by one")
    parser.add_argument("--only", choices=("latency", "drain", "outbox"), help="one part of it")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="strands-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        parts = {
            "latency": lambda url: _latency(url, chosen.strands, 20),
            "drain": lambda url: _drain(url, 3_000),
            "outbox": lambda url: _outbox(url, chosen.seconds, chosen.rounds),
        }
        for name, part in parts.items():
            if chosen.only in (None, name):
                url = ensure_database(server.url("postgres"), name)
                upgrade(url)
                print(json.dumps({name: asyncio.run(part(url)), "load": os.getloadavg()}), flush=True)
        if chosen.only in (None, "outbox") and Path("/proc/self/schedstat").exists():
            spent = asyncio.run(_processor(url, 20_000))
            print(json.dumps({"writer_and_server_us_a_strand": spent}), flush=True)


if __name__ == "__main__":
    main()
