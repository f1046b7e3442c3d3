"""The simulated database of a desk does what PostgreSQL does: the same operations on both, through the product's own code."""

import asyncio
import random
import time
from contextlib import suppress

import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin, untold
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.inbox import Address, Again, End, Inbox
from gal_friday_adapters.strands.writing import write
from gal_friday_core.errors import ContractError
from gal_friday_core.strands.strands import AdStrand, DmStrand, TrStrand
from gal_friday_live.clock import SystemClock
from gal_friday_live.ids import derived
from gal_friday_live.simulation.desk.server import Server

OPERATIONS = 70
FAR_S = 3_600.0
ADDRESSES = (("dm", "dm"), ("trader", "trader"), ("alpha", "alpha"), ("alpha", "beta"))
SOURCES = {"ad": "ad_strands", "dm": "dm_strands", "tr": "tr_strands"}


class Play:
    """One sequence of operations on one database. What it says is the same wherever it is played."""

    def __init__(self, database, account, seed):
        self.database, self.account, self.chance = database, account, random.Random(seed)
        self.names, self.claims, self.said, self.signals = {}, [], [], iter(range(1_000))
        self.tellers = {
            module: DirectTableCommunicator(database, module) for module in ("alpha", "dm", "trader")
        }
        self.inboxes = {}

    async def run(self):
        for module, name in ADDRESSES:
            await self.opened(module, name, "first")
        for _ in range(OPERATIONS):
            operation = self.chance.choice(
                (self.plan, self.plan, self.answer, self.answer, self.report, self.claim, self.claim,
                 self.claim, self.finish, self.finish, self.lose, self.read)
            )  # fmt: skip
            self.said.append((operation.__name__, await operation()))
        for inbox in self.inboxes.values():
            await inbox.close()
        return self.said

    async def opened(self, module, name, worker):
        address = Address(module=module, account=self.account, name=name, worker=worker)
        self.inboxes[module, name, worker] = await Inbox.opened(self.database, address)
        return self.inboxes[module, name, worker]

    def tags(self, *words):
        more = [*words, f"account:{self.account}"]
        if self.chance.random() < 0.3:
            more.append("priority:high")
        if self.chance.random() < 0.3:
            more.append(f"timeout:{self.chance.choice((0, 3600))}")
        return tuple(more)

    def named(self, strand_id):
        """A strand by its place among all, since ids are the server's."""
        return self.names.setdefault(strand_id, len(self.names))

    async def written(self, module, strand):
        try:
            return self.named(await self.tellers[module].write_with_tags(strand))
        except ContractError as error:
            return type(error).__name__

    async def plan(self):
        signal = f"{self.account}-{self.chance.choice((next(self.signals), 0, 1))}"
        sender = self.chance.choice((("from:alpha",), ("from:beta",), ()))
        tags = self.tags("dm:evaluate_plan", *sender)
        return await self.written(
            "alpha", AdStrand(kind="signal", tags=tags, trading_plan={"signal_id": signal})
        )

    async def answer(self):
        known = [*self.names] or ["nobody"]
        kind, tag = self.chance.choice(
            (("decision", "alpha:decision_feedback"), ("execution_plan", "trader:execute_plan"), ("state", "trader:execute_plan"))
        )  # fmt: skip
        original = () if kind == "state" else (f"original_strand:{self.chance.choice(known)}",)
        return await self.written(
            "dm", DmStrand(kind=kind, tags=self.tags(tag, *original), dm_decision={"n": 1})
        )

    async def report(self):
        known = [*self.names] or ["nobody"]
        original = (f"original_strand:{self.chance.choice(known)}",) if self.chance.random() < 0.7 else ()
        tags = self.tags("alpha:execution_feedback", "dm:execution_feedback", *original)
        return await self.written("trader", TrStrand(kind="execution", tags=tags, tr_execution={"n": 1}))

    async def claim(self):
        module, name = self.chance.choice(ADDRESSES)
        worker = self.chance.choice(("first", "second"))
        inbox = self.inboxes.get((module, name, worker)) or await self.opened(module, name, worker)
        claims = await inbox.claim(self.chance.choice((1, 3, 100)), self.chance.choice((0.0, FAR_S, FAR_S)))
        claims.sort(key=lambda claim: claim.seq)
        if claims:
            self.claims.append((inbox, claims))
        return [
            (self.named(claim.strand_id), claim.source, claim.tag, claim.high, claim.attempts, claim.sender)
            for claim in claims
        ]

    async def finish(self):
        if not self.claims:
            return None
        inbox, claims = self.claims.pop(self.chance.randrange(len(self.claims)))
        fates = [self.chance.choice(("done", "failed", "expired", "again", "later")) for _ in claims]
        kept = self.chance.random() < 0.8
        held = []
        with suppress(InterruptedError):
            async with inbox.connection.transaction():
                held = await inbox.hold(claims)
                found = dict(zip([claim.seq for claim in claims], fates, strict=True))
                fate = {one.claim.seq: found[one.claim.seq] for one in held}
                ends = {seq: state for seq, state in fate.items() if state not in {"again", "later"}}
                await inbox.end([End(seq=seq, state=state, error=state) for seq, state in ends.items()])
                await inbox.again(
                    [
                        Again(seq=seq, error="tried", after_s=0.0 if state == "again" else FAR_S)
                        for seq, state in fate.items()
                        if seq not in ends
                    ]
                )
                if not kept:
                    raise InterruptedError
        return [
            (self.named(one.claim.strand_id), one.remaining_s is None or one.remaining_s > 0, sorted(one.row["tags"], key=self.sortable))
            for one in held
        ]  # fmt: skip

    def sortable(self, tag):
        return tag.partition(":")[0]

    async def lose(self):
        inbox = self.chance.choice([*self.inboxes.values()])
        await (inbox.give_back if self.chance.random() < 0.5 else inbox.take_over)()

    async def read(self):
        table = self.chance.choice([*SOURCES.values()])
        found = await self.tellers["dm"].read_recent_by_tags(table, [f"account:{self.account}"], 5)
        return [(self.named(strand.id), strand.kind) for strand in found]


@pytest.fixture
def both(database_url):
    """The real one and the simulated one, for as long as the coroutine lasts."""

    def compare(of):
        async def main():
            loop, now_ns = asyncio.get_running_loop(), time.time_ns
            server = Server(loop, chance=random.Random(1), trace=lambda *_: None, now_ns=now_ns)
            async with Database(database_url) as database, asyncio.timeout(240):
                return await of(database), await of(server.database())

        return asyncio.run(main())

    return compare


def neutral(said):
    """Without the ids that tags name."""
    return [
        (
            what,
            [(*row[:2], [tag for tag in row[2] if not tag.startswith("original_strand")]) for row in found],
        )
        if what == "finish" and found
        else (what, found)
        for what, found in said
    ]


def test_strands_and_inboxes_are_the_same_on_both_whatever_is_done(both):
    async def played(database):
        return [neutral(await Play(database, f"account{seed}", seed).run()) for seed in range(5)]

    real, simulated = both(played)
    for one, other in zip(real, simulated, strict=True):
        assert one == other
    assert {what for play in real for what, found in play if found} >= {
        "plan",
        "answer",
        "report",
        "claim",
        "finish",
        "read",
    }


def test_what_is_said_once_waits_for_who_says_it_and_rows_that_are_held_are_left_out_on_both(both):
    def verdict(plan):
        tags = ("alpha:decision_feedback", f"original_strand:{plan}", "account:here")
        return DmStrand(kind="decision", tags=tags, dm_decision={"verdict": "refused"})

    async def played(database):
        said = []
        for kept in (True, False):
            plan = AdStrand(
                kind="signal",
                tags=("dm:evaluate_plan", "account:here"),
                trading_plan={"signal_id": str(kept)},
            )
            name = await DirectTableCommunicator(database, "alpha").write_with_tags(plan)
            first, second = [
                await Inbox.opened(database, Address(module="dm", account="here", name="dm", worker=worker))
                for worker in ("first", "second")
            ]
            claims = await first.claim(10, 0.0)
            with suppress(InterruptedError):
                async with first.connection.transaction():
                    await first.hold(claims)
                    said.append(len(await second.claim(10, FAR_S)))
                    await second.take_over()
                    [answer] = await write(first.connection, "dm", [verdict(name)])
                    again = asyncio.create_task(
                        DirectTableCommunicator(database, "dm").write_with_tags(verdict(name))
                    )
                    await asyncio.wait({again}, timeout=0.05)
                    said.append(again.done())
                    await first.end([End(seq=claim.seq, state="done") for claim in claims])
                    if not kept:
                        raise InterruptedError
            said.append((await again) == answer)
            said.append(len(await second.claim(10, FAR_S)))
            await first.close()
            await second.close()
        return said

    real, simulated = both(played)
    assert real == simulated == [0, False, True, 0, 0, False, False, 1]


def test_lines_are_told_once_on_both(both):
    account = derived("session", "told once")

    async def played(database):
        journal = PostgresJournal(database, account, SystemClock())
        within = JournalWithin(account, None)
        await journal.begin("test", config_hash="0", code_version="test")
        for number in (1, 2, 2, 3):
            await journal.append("NEWS" if number < 3 else "OTHER", str(number), number, {"n": number})
        said = []
        for kept in (False, True, True):
            with suppress(InterruptedError):
                async with database.transaction() as connection:
                    lines = await untold(connection, account, ("NEWS",), limit=1)
                    said.append([(line.kind, line.key, line.ts_ns) for line in lines])
                    await within.tell(connection, [(line, None) for line in lines])
                    if not kept:
                        raise InterruptedError
        async with database.transaction() as connection:
            said.append(await untold(connection, account, ("NEWS",)))
        return [*said, [(entry.kind, entry.key, entry.record) async for entry in journal.read()]]

    real, simulated = both(played)
    assert real == simulated
    assert real[:4] == [[("NEWS", "1", 1)], [("NEWS", "1", 1)], [("NEWS", "2", 2)], []]
