"""Finished strands leave by the clock, also where the database is away for a while."""

import asyncio

import pytest

from gal_friday_core.errors import StorageError
from gal_friday_core.strands.settings import StrandsCleanupConfig
from gal_friday_live.roles.cleaning import clean_by_the_clock


class Strands:
    def __init__(self):
        self.asked = []

    async def clean(self, days):
        self.asked.append(days)
        if len(self.asked) == 2:
            raise StorageError("no answer")
        return 3


def cleaned(settings):
    """What was asked, and how long each pause was, until the third."""
    strands, pauses = Strands(), []

    async def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    async def main():
        with pytest.raises(asyncio.CancelledError):
            await clean_by_the_clock(strands, settings, sleep=sleep)

    asyncio.run(main())
    return strands.asked, pauses


def test_finished_strands_are_removed_every_so_many_hours_and_sooner_after_an_outage():
    settings = StrandsCleanupConfig(retention_days=9, cleanup_interval_hours=2)
    assert cleaned(settings) == ([9, 9, 9], [7_200, 60, 7_200])


def test_nothing_is_removed_where_that_is_turned_off():
    strands = Strands()
    asyncio.run(clean_by_the_clock(strands, StrandsCleanupConfig(enabled=False)))
    assert strands.asked == []
