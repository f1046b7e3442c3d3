"""A live engine that is recorded, and its replay: the same program, on an island, over the world or over the record."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_core.times import to_iso
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.experiment_traffic import ExperimentTraffic
from gal_friday_live.flight.means import OutsideMeans
from gal_friday_live.flight.outside import Outside
from gal_friday_live.flight.player import Player, Replayed
from gal_friday_live.flight.ports import OutsideJournal, OutsideModels
from gal_friday_live.flight.record import FlightRecord, Head, is_flight
from gal_friday_live.flight.recorder import Recorder
from gal_friday_live.flight.surroundings import OutsideSurroundings
from gal_friday_live.flight.traffic import OutsideTraffic
from gal_friday_live.live_program import LiveProgram, Parts, Terms
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.live_stage import Ground
from gal_friday_live.stage import Stage
from gal_friday_live.surroundings import Surroundings

OWNER_ONLY = 0o700
NOBODY, NOWHERE = "postgresql://nobody@localhost/nowhere", Path("/nonexistent/replayed")
"""A replay has neither database nor disk; nothing asks for them."""


@asynccontextmanager
async def recording(
    manager: ConfigurationManager,
    request: LiveRequest,
    on: Ground,
    parts: Callable[[Stage, Terms], Parts],
    folder: Path,
) -> AsyncIterator[Recorder]:
    """The helm of an engine on an island, which writes its record into `folder`. Raises StorageError."""
    head = Head(
        code_version=code_version(manager.config), config=manager.config.model_dump(mode="json"), request=_kept(request, on),
        experiments=True,
    )  # fmt: skip
    writer = _writer(folder)
    recorder = Recorder(writer, head)

    def recorded(stage: Stage, terms: Terms) -> Parts:
        given = parts(stage, terms)
        traffic = given.experiments
        assert isinstance(traffic, ExperimentTraffic)
        return _through(recorder, terms, given, OutsideTraffic(recorder, traffic), replay=False)

    means = OutsideMeans(recorder, recorder.island)
    recorder.program = LiveProgram(manager, request, on, means, recorded)
    try:
        yield recorder
    finally:
        await recorder.close()
        await asyncio.to_thread(writer.close)


def _writer(folder: Path) -> SessionWriter:
    """Only for who runs the engine: the record tells of the account. Raises StorageError."""
    writer = SessionWriter(folder)
    writer.start()
    folder.chmod(OWNER_ONLY)
    return writer


def replay(folder: Path) -> Replayed:
    """Have the same engine hear the record again. Raises DataError where there is none, or it is damaged."""
    flight = FlightRecord(folder)
    head = flight.head
    player = Player(flight)
    manager = ConfigurationManager.from_config(Config.model_validate(head.config))

    def parts(stage: Stage, terms: Terms) -> Parts:
        around = Surroundings(
            folder=NOWHERE, database=Database(NOBODY), lease_held=lambda: True,
            exchange_time_ns=stage.exchange_time_ns, halt_page=HaltPage(NOWHERE),
        )  # fmt: skip
        given: Any = Parts(journal=None, models=None, surroundings=around if stage.watched else None)  # type: ignore[arg-type]
        traffic = OutsideTraffic(player, None) if head.experiments else None
        return _through(player, terms, given, traffic, replay=True)

    request = msgspec.convert(head.request, LiveRequest)
    means = OutsideMeans(player, player.island, replay=True)
    player.program = LiveProgram(manager, request, Ground(venue=request.venue), means, parts)
    replayed = player.play()
    replayed.code_then, replayed.code_now = head.code_version, code_version(manager.config)
    return replayed


def flights_in(folder: Path) -> list[Path]:
    """The flights in a folder, oldest first; the folder itself where it is one."""
    inside = sorted(item for item in folder.iterdir() if item.is_dir()) if folder.is_dir() else []
    return [item for item in (folder, *inside) if is_flight(item)]


def flights(folder: Path) -> list[Path]:
    """At least one. Raises DataError where there is none."""
    found = flights_in(folder)
    if not found:
        raise DataError(f"no flight record in {folder}: gal-friday live --record makes one")
    return found


def own_folder(folder: Path, now_ns: int) -> Path:
    """Where this run's flight goes: a run never continues the record of another."""
    name = re.sub("[-:]", "", to_iso(now_ns)[:19]) + "Z"
    return next(
        path
        for number in count(1)
        if not (path := folder / (name if number == 1 else f"{name}-{number}")).exists()
    )


def _kept(request: LiveRequest, on: Ground) -> dict[str, Any]:
    """The request as a replay needs it: an embedded exchange has become one at an address."""
    return {"mode": request.mode, "venue": on.venue, "real_money": request.real_money}


def _through(
    outside: Outside, terms: Terms, parts: Parts, traffic: OutsideTraffic | None, *, replay: bool
) -> Parts:
    around = parts.surroundings
    return Parts(
        journal=OutsideJournal(outside, parts.journal, terms.session),
        models=OutsideModels(outside, parts.models),  # type: ignore[arg-type]
        surroundings=None if around is None else OutsideSurroundings.of(around, outside, replay=replay),
        experiments=traffic,
    )
