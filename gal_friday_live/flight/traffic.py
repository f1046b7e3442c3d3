"""Experiments on an island: what is running is heard, and who serves a decision follows from it as ever."""

from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from gal_friday_core.experiments.traffic import Running, Splits
from gal_friday_core.payloads import Experiment
from gal_friday_live.experiment_traffic import ExperimentTraffic
from gal_friday_live.flight.outside import Outside
from gal_friday_live.flight.values import struct


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, by venue and pair, and what was decided; None where it was only read."""

    running: tuple[tuple[str, str, Running], ...]
    change: Experiment | None = None


HEARD = struct(Heard)


class OutsideTraffic(Splits):
    """`None` is a record's, which answers by itself."""

    def __init__(self, outside: Outside, traffic: ExperimentTraffic | None) -> None:
        super().__init__()
        self._outside = outside
        self._traffic = traffic
        self._renewals: AsyncIterator[Experiment | None] | None = None

    async def refresh(self) -> None:
        """Raises StorageError."""

        async def read() -> Heard:
            await self._real.refresh()
            return self._heard(None)

        self._take(await self._outside.ask("experiments running", None, read, HEARD))

    async def changes(self) -> AsyncGenerator[Experiment, None]:
        """What is decided from now on, each once what is running has been heard again."""
        while True:
            heard = await self._outside.ask("experiments changes", None, self._next, HEARD)
            self._take(heard)
            if heard.change is not None:
                yield heard.change

    async def _next(self) -> Heard:
        if self._renewals is None:
            self._renewals = aiter(self._real.renewals())
        return self._heard(await anext(self._renewals))

    def _heard(self, change: Experiment | None) -> Heard:
        running = tuple((venue, pair, one) for (venue, pair), one in self._real.running.items())
        return Heard(running=running, change=change)

    def _take(self, heard: Heard) -> None:
        self.running = {(venue, pair): one for venue, pair, one in heard.running}

    @property
    def _real(self) -> ExperimentTraffic:
        assert self._traffic is not None, "a record answers by itself"
        return self._traffic
