"""A decision maker as a process, to be killed: answers every plan, and says so when it begins."""

import asyncio
import sys

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.strands.strands import DmStrand
from gal_friday_core.strands.tags import hears
from tests.adapters.strands.strand_parts import QUICK


async def decide(strand, transaction):
    tags = ("alpha:decision_feedback", f"original_strand:{strand.id}")
    # Of a kind that may be said twice: doubling is not prevented here, only told of.
    await transaction.write_with_tags(DmStrand(kind="answer", tags=tags, dm_decision=strand.trading_plan))


async def main(url):
    async with Database(url) as database:
        listener = ModuleListener(
            database, "dm", dict.fromkeys(hears("dm"), decide), exclusive=True, settings=QUICK
        )
        running = asyncio.create_task(listener.run())
        await listener.ready.wait()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await running


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
