"""What a strand costs, how long it takes at several loads, and the service times that the simulation draws from.

Plans are written by a process of their own at independent moments; a decision maker's listener handles each and
writes its verdict in the same transaction, on the embedded PostgreSQL with its disk made safe as in production.
"""

import asyncio
import multiprocessing
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.capacity_measured import best, once
from benchmarks.capacity_store import Server
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.handling import Handling
from gal_friday_adapters.strands.inbox import Inbox
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.capacity.queueing import poisson
from gal_friday_core.strands.settings import ModuleCommunicationConfig, StrandsInboxConfig
from gal_friday_core.strands.strands import DECISION, SIGNAL, AdStrand, DmStrand
from gal_friday_core.strands.tags import DECISION_FEEDBACK, DM_EXECUTION_FEEDBACK, EVALUATE_PLAN

LOADS = ((20, 160), (100, 400), (200, 600))
"""Strands a second, and how many."""
DRAINED, ONE_BY_ONE, DRAINS = 1_000, 200, 3
KEPT = 400
"""Samples of a kind that are kept for the simulation."""
_EXTRA = ("stop_price", "target_price", "quantity", "reference_price")


def plan(number):
    told = {"signal_id": str(uuid.uuid4()), "trading_pair": "BTC/USD", "number": number, "side": "BUY"}
    told.update(dict.fromkeys(_EXTRA, "60000.10"))
    pack = {"values": [0.123456] * 36, "model_id": "kraken:BTC-USD:1m@v1"}
    return AdStrand(kind=SIGNAL, tags=(EVALUATE_PLAN, "timeout:600"), symbol="BTC/USD", timeframe="1m",
                    sig_confidence=0.6, sig_direction="BUY", trading_plan=told, signal_pack=pack)  # fmt: skip


def measure():
    """Costs by name, and what the simulation needs."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        url = server.url("gal_friday")
        upgrade(url)
        watched = Server(Path(folder) / "postgres")
        drains = [asyncio.run(drain(url, watched, DRAINED, 100)) for _ in range(DRAINS)]
        singles = [asyncio.run(drain(url, watched, ONE_BY_ONE, 1)) for _ in range(DRAINS)]
        loads = [asyncio.run(loaded(url, rate, count)) for rate, count in LOADS]
    drained, alone = (max(runs, key=lambda run: run["rate"]) for runs in (drains, singles))
    quiet = loads[0]
    single = np.array([took for pieces, took in quiet["batches"] if pieces == 1])
    whole = np.median([took for pieces, took in drained["batches"] if pieces == 100])
    each = max(0.0, float(whole - np.median(single)) / 99)
    found = {
        "strand_us": best(
            [run["cpu_us"] for run in drains],
            "µs",
            "both modules' CPU for a plan and its verdict, in batches",
        ),
        "strand_server_us": best(
            [run["server_us"] for run in drains],
            "µs",
            "the server's CPU for a plan and its verdict, triggers included",
        ),
        "strand_batch_per_s": once(
            drained["rate"], "strands/s", f"drained in batches of 100, a verdict each, best of {DRAINS}"
        ),
        "strand_single_per_s": once(
            alone["rate"], "strands/s", f"drained with a commit each, best of {DRAINS}"
        ),
        "strand_each_ms": once(each * 1e3, "ms", "each strand more in a batch"),
        "strand_setup_ms": once(
            np.median(single) * 1e3, "ms", "a batch of one: claim, verdict, commit, median"
        ),
    }
    samples = {
        "setup_s": kept(np.maximum(single - each, 1e-6)), "each_s": [round(each, 7)], "write_s": kept(quiet["write"]),
        "wake_s": kept(quiet["wake"]), "single_s": kept([took for _, took in alone["batches"]]),
        "loads": [{name: load[name] for name in ("rate", "count", "ms")} for load in loads],
    }  # fmt: skip
    return found, samples


def kept(values):
    values = np.asarray(values, float)
    chosen = values if len(values) <= KEPT else np.random.default_rng(1).choice(values, KEPT, replace=False)
    return [round(float(value), 6) for value in np.sort(chosen)]


class Decisions:
    """A decision maker that says yes to everything, and notes when what it handled was durable."""

    def __init__(self, database, batch):
        settings = ModuleCommunicationConfig(inbox=StrandsInboxConfig(batch=batch))
        handlers = {EVALUATE_PLAN: self.decide, DM_EXECUTION_FEEDBACK: self.decide}
        self.listener = ModuleListener(database, "dm", handlers, exclusive=True, settings=settings)
        self.durable, self.batches, self.began = {}, [], {}
        self._under_way = []
        self._claimed_at = 0.0
        handle, claim = Handling.handle, Inbox.claim

        async def timed_claim(inbox, *limits):
            began = time.perf_counter()
            claims = await claim(inbox, *limits)
            self._claimed_at = began
            return claims

        async def timed(handling, inbox, claims):
            began_ns = time.time_ns() - int((time.perf_counter() - self._claimed_at) * 1e9)
            self._under_way = []
            await handle(handling, inbox, claims)
            self.batches.append((len(claims), time.perf_counter() - self._claimed_at))
            now = time.time_ns()
            for signal in self._under_way:
                self.durable[signal], self.began[signal] = now, began_ns

        self.put_back = handle, claim
        Handling.handle, Inbox.claim = timed, timed_claim

    async def decide(self, strand, transaction):
        tags = (DECISION_FEEDBACK, f"original_strand:{strand.id}")
        said = {"verdict": "approved", "signal_id": strand.trading_plan["signal_id"]}
        await transaction.write_with_tags(
            DmStrand(kind=DECISION, tags=tags, symbol=strand.symbol, dm_decision=said)
        )
        self._under_way.append(said["signal_id"])

    def close(self):
        Handling.handle, Inbox.claim = self.put_back


async def drain(url, server, count, batch):
    """Plans that wait, handled as fast as may be; and what writing and handling one takes of either side."""
    async with Database(url) as database:
        told = DirectTableCommunicator(database, "alpha")
        cpu, theirs = time.process_time(), server.cpu_s()
        plans = [plan(number) for number in range(count)]
        for first in range(0, count, 100):
            await told.write_many(plans[first : first + 100])
        wrote, wrote_there = time.process_time() - cpu, server.cpu_s() - theirs
        decisions = Decisions(database, batch)
        cpu, theirs, began = time.process_time(), server.cpu_s(), time.perf_counter()
        handled = await decisions.listener.pump()
        took = time.perf_counter() - began
        spent, there = time.process_time() - cpu, server.cpu_s() - theirs
        decisions.close()
        await decisions.listener.close()
    assert handled == count, (handled, count)
    return {
        "rate": count / took, "batches": decisions.batches,
        "cpu_us": (wrote + spent) / count * 1e6, "server_us": (wrote_there + there) / count * 1e6,
    }  # fmt: skip


async def loaded(url, rate, count):
    """Plans at independent moments: seconds from asking to write until its verdict is durable, and parts of it."""
    async with Database(url) as database:
        decisions = Decisions(database, 100)
        running = asyncio.create_task(decisions.listener.run())
        try:
            await asyncio.wait_for(decisions.listener.ready.wait(), 30)
            written = await asyncio.to_thread(in_process, url, rate, count)
            await asyncio.wait_for(until(lambda: len(decisions.durable) >= count), 60)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            decisions.close()
    began, done = (np.array([one[place] for one in written]) for place in (1, 2))
    durable = np.array([decisions.durable[one[0]] for one in written])
    taken = np.array([decisions.began[one[0]] for one in written])
    spent = (durable - began) / 1e6
    return {
        "rate": rate, "count": count, "batches": decisions.batches, "write": (done - began) / 1e9,
        "wake": np.maximum(taken - done, 0) / 1e9,
        "ms": [round(float(value), 2) for value in np.percentile(spent, (50, 99))],
    }  # fmt: skip


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is watched is patched in, and has no event
        await asyncio.sleep(0.05)


def in_process(url, rate, count):
    box = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=write, args=(url, rate, count, box))
    process.start()
    try:
        return box.get(timeout=120)
    finally:
        process.join(30)


def write(url, rate, count, box):
    box.put(asyncio.run(written_at(url, rate, count)))


async def written_at(url, rate, count):
    """Signal, when it was asked to be written, when it was durable: of every plan."""
    found, moments = [], poisson(rate, count, np.random.default_rng(rate)) + 0.5
    async with Database(url) as database:
        told = DirectTableCommunicator(database, "alpha")

        async def tell(strand):
            began = time.time_ns()
            await told.write_with_tags(strand)
            found.append((strand.trading_plan["signal_id"], began, time.time_ns()))

        for _ in range(16):  # connections and prepared statements
            await told.write_with_tags(AdStrand(kind="note", tags=()))
        start, tasks = time.perf_counter(), []
        for number, moment in enumerate(moments):
            await asyncio.sleep(max(0.0, start + moment - time.perf_counter()))
            tasks.append(asyncio.create_task(tell(plan(number))))
        await asyncio.gather(*tasks)
    return found


if __name__ == "__main__":
    costs, samples = measure()
    for name, found in costs.items():
        print(f"{name:20} {found.value:12,.3f} {found.unit:10} {found.how}")
    for load in samples["loads"]:
        print(load)
    for name in ("setup_s", "write_s", "wake_s", "single_s", "each_s"):
        print(name, np.percentile(samples[name], (10, 50, 90, 99)).round(5))
