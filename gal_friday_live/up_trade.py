"""The trading part of `up`: the paper engine on the production model, or on a refused one under a named override."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from gal_friday_adapters import paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.strategies.registry import rule_of
from gal_friday_live.alert_watch import AlertDesk
from gal_friday_live.cli_service import CLIService
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ControlSocket, control_path, is_served
from gal_friday_live.engine import Engine
from gal_friday_live.ids import random_ids
from gal_friday_live.logger_service import CLOSE_WITHIN_S, series_sink
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.override import override_for
from gal_friday_live.paper import build_paper_engine
from gal_friday_live.paper_control import PaperControl
from gal_friday_live.up_market import Market
from gal_friday_live.up_screen import LiveScreen, PlayedPace, Screen

REFRESH_S = 0.25


@dataclass(frozen=True, slots=True)
class Replay:
    """How recorded history is played to the paper engine."""

    bars_per_second: float | None
    """None plays as fast as the engine can take it."""
    ends: bool
    """Whether the run is over when the history is."""


async def trade(
    manager: ConfigurationManager,
    market: Market,
    *,
    database_url: str,
    lake: CandleLake,
    outcome: Mapping[str, Any],
    replay: Replay,
    screen: Screen,
    footer: str,
    check: Callable[[], None],
) -> dict[str, Any]:
    """Run the paper engine until its feed ends, or for ever; `check` raises where the user asked to stop.

    The engine's summary, with `override` as the terms that a refused model traded under, or None. Where a model is in
    production it trades, whatever became of the new one; a strategy that asks no model trades its rule.
    """
    start_ns = None if market.live else int(outcome["holdout_start"])
    async with Database(database_url) as database:
        override = None
        if not outcome["production"] and rule_of(manager.config) is None:
            predictor = await ModelRegistry(manager, database).by_id(str(outcome["model_id"]))
            override = override_for(predictor, lake, start_ns)
        session = str(uuid.uuid4())
        engine = await build_paper_engine(
            manager,
            database=database,
            lake=lake,
            series=market.series,
            start_ns=start_ns,
            end_ns=None,
            speed=replay.bars_per_second,
            override=override,
            session=session,
        )
        mode = "paper" if market.live else "paper-replay"
        control = PaperControl(engine, manager, database, random_ids(), mode=mode, session=session)

        def look() -> None:
            check()
            control.check()

        door = _door(manager, control, screen)
        async with _somebody_told(manager, market, engine), door, _measured(manager, control):
            await engine.start()
            try:
                with screen.live() as live:
                    pace = PlayedPace(None if market.live else replay.bars_per_second)
                    await _run(engine, live, footer, look, pace)
                    if not replay.ends:
                        live.show(engine.snapshot(), f"the recorded history has ended\n{footer}")
                        await _idle(look)
            finally:
                await engine.stop()
        return {**engine.summary(), "override": None if override is None else asdict(override)}


def _door(
    manager: ConfigurationManager, control: PaperControl, screen: Screen
) -> AbstractAsyncContextManager[object]:
    """For status, halt and the dashboard. Where `live` runs on the same data directory, the door is that engine's."""
    path = control_path(paths.data_dir(manager.config))
    if is_served(path):
        screen.say(
            "An engine of gal-friday live answers here: status, halt and the dashboard are its.",
            style="yellow",
        )
        return nullcontext()
    return ControlSocket(path, CLIService(manager, control, control).answer)


def _somebody_told(
    manager: ConfigurationManager, market: Market, engine: Engine
) -> AbstractAsyncContextManager[object]:
    """Of a market that is live: what recorded history does to an engine is no news."""
    if not market.live:
        return nullcontext()
    return AlertDesk(engine, manager.config.alerts, name="paper", clock=engine.clock)


@asynccontextmanager
async def _measured(manager: ConfigurationManager, control: PaperControl) -> AsyncIterator[None]:
    """The engine's numbers are taken meanwhile, and sent where `timeseries.url` says."""
    settings, sink = manager.config.timeseries, series_sink(manager.config)
    if sink is not None:
        sink.start()
    try:
        async with control.measured.watching(sink, settings.every_s), control.optimizer:
            yield
    finally:
        if sink is not None:
            await asyncio.to_thread(sink.close, CLOSE_WITHIN_S)


async def _idle(check: Callable[[], None]) -> None:
    while True:
        check()
        await asyncio.sleep(REFRESH_S)


async def _run(
    engine: Engine, live: LiveScreen, footer: str, check: Callable[[], None], pace: PlayedPace
) -> None:
    runner = asyncio.ensure_future(engine.run())
    try:
        while not runner.done():
            check()
            slow = pace.said(engine.ingestor.published, time.monotonic())
            live.show(engine.snapshot(), f"{slow}{footer}")
            await asyncio.wait({runner}, timeout=REFRESH_S)
    finally:
        if not runner.done():
            runner.cancel()
            await asyncio.wait({runner})
    runner.result()
