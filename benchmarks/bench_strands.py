"""Strands on an embedded, durable PostgreSQL: how soon one is handled, how quickly many, and what a notification costs.

`latency`: a writer at 20 strands a second, the listener of a decision maker in a process of its own, which answers each
with a strand. `drain`: as many as wait, handled in batches. `outbox`: ten writers, the product's way (50 strands, one
commit, one empty hint) beside the protocol as it was first written (a commit and a notification with the id for each row),
in turns, with somebody listening. All of one run; wall time, since that is what a trader waits for.
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

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import ensure_database, upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.strands.strands import AdStrand, DmStrand
from gal_friday_core.strands.tags import hears

WRITERS, TOGETHER, WARM = 10, 50, 7
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


async def _outbox(url, seconds, rounds):
    from gal_friday_adapters.strands.writing import write

    with connect(url) as connection:
        for statement in AS_WRITTEN:
            connection.execute(statement)
    tags = json.dumps(["dm:evaluate_plan", "timeout:300"])

    async def by_row(connection):
        said = json.dumps(dict(plan(0).trading_plan))
        await connection.execute(PLAIN, ("BTC/USD", "1m", "BUY", said, tags))
        return 1

    async def by_commit(connection):
        return len(await write(connection, "alpha", [plan(number) for number in range(TOGETHER)]))

    async with Database(url) as database:
        heard = [0]

        async def listening():
            async for _ in database.listen("dm_evaluate_plan"):
                heard[0] += 1

        ear = asyncio.create_task(listening())
        rates = {"by_row": [], "by_commit": []}
        for _ in range(rounds):
            rates["by_row"].append(await _writers(database, seconds, by_row))
            rates["by_commit"].append(await _writers(database, seconds, by_commit))
        ear.cancel()
        await asyncio.wait({ear})
    best = {name: max(found) for name, found in rates.items()}
    return {
        "row_each_per_s": round(best["by_row"]),
        "outbox_per_s": round(best["by_commit"]),
        "ratio": round(best["by_commit"] / best["by_row"], 1),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round of writers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strands", type=int, default=300, help="that are timed one by one")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="strands-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        addresses = []
        for name in ("latency", "drain", "outbox"):
            addresses.append(ensure_database(server.url("postgres"), name))
            upgrade(addresses[-1])
        latency = asyncio.run(_latency(addresses[0], chosen.strands, 20))
        print(json.dumps({"latency_at_20_per_s": latency}), flush=True)
        print(json.dumps({"drained_per_s": asyncio.run(_drain(addresses[1], 3_000))}), flush=True)
        outbox = asyncio.run(_outbox(addresses[2], chosen.seconds, chosen.rounds))
        print(json.dumps({"outbox": outbox, "load": os.getloadavg()}), flush=True)


if __name__ == "__main__":
    main()
