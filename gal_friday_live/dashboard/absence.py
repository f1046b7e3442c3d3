"""Tells somebody when an engine or role that the dashboard watches is gone or hangs: a killed process tells nobody itself.

An engine that ends in order takes its control socket away and tells of its end; one that is killed leaves it behind.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from gal_friday_adapters.alerts import AlertDispatch
from gal_friday_core.alert_rules import Condition, Standing
from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.ports import Alerts
from gal_friday_core.times import to_iso
from gal_friday_live.dashboard.figures import at, instant
from gal_friday_live.dashboard.one_account import Part
from gal_friday_live.dashboard.pollers import Pollers
from gal_friday_live.dashboard.view import Reading

LOOK_EVERY_S: Final = 1.0
CLOSE_WITHIN_S: Final = 5.0
NAME: Final = "dashboard"
RECORDED: Final = "paper-replay"
"""What recorded history does to an engine is no news."""


class EngineWatch:
    """`look` raises what has stood for long enough. Only an engine that answered before is missed."""

    def __init__(
        self,
        alerts: Alerts,
        *,
        reading: Callable[[], Reading],
        socket: Path,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alerts = alerts
        self._reading = reading
        self._socket = socket
        self._timer = timer
        self._standing = Standing(NAME)
        self._mode = ""
        self._who = ""

    def look(self) -> None:
        for alert in self._standing.look(self._conditions(), self._timer()):
            self._alerts.raise_alert(alert)

    def _conditions(self) -> Iterator[Condition]:
        reading = self._reading()
        if reading.live:
            mode = str(at(reading.metrics, "engine.mode"))
            self._mode = "" if mode == RECORDED else mode
            self._who = Part("", reading).title
        if not self._mode or reading.live:
            return
        since = f"since {instant(to_iso(reading.since_ns))} UTC"
        who = f"the {self._mode} {self._who or 'engine'}"
        if reading.state == "hung":
            yield Condition(code="ENGINE_SILENT", why=f"{who} does not answer {since}", about=self._who)
        elif self._socket.exists():
            yield Condition(
                code="ENGINE_GONE",
                why=f"{who} was ended from outside: nobody answers {since}. "
                "Stops stay on the exchange; start it again",
                about=self._who,
            )
        else:
            self._mode = ""


@asynccontextmanager
async def missing_engines(settings: AlertsConfig, pollers: Pollers) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that looks, and is cancelled on leaving."""
    dispatch = AlertDispatch(settings)
    dispatch.start()
    watches = [
        EngineWatch(dispatch, reading=partial(pollers.of, door.name), socket=door.path)
        for door in pollers.doors
    ]
    looking = asyncio.create_task(_look(watches), name="absence")
    try:
        yield looking
    finally:
        looking.cancel()
        await asyncio.to_thread(dispatch.close, CLOSE_WITHIN_S)


async def _look(watches: Sequence[EngineWatch]) -> None:
    while True:
        for watch in watches:
            watch.look()
        await asyncio.sleep(LOOK_EVERY_S)
