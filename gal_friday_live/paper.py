"""Paper trading: the engine on the simulated exchange, fed by stored history or by the exchange's public feed."""

import uuid
from dataclasses import asdict
from typing import Any

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError
from gal_friday_core.experiments.traffic import Traffic
from gal_friday_core.ports import Models
from gal_friday_core.strategies.registry import history_bars
from gal_friday_live.clock import SimulatedClock, SystemClock
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.engine import Engine
from gal_friday_live.experiment_traffic import ExperimentTraffic
from gal_friday_live.feeds import RecordedFeed
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.outside_stage import exchange_of
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.replay_data import Stretch, instrument_of, stretch
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager
from gal_friday_live.wiring import Ports, build

HEALTH_EVERY_S = 5.0

__all__ = ["ModelOverride", "build_paper_engine"]


async def build_paper_engine(
    manager: ConfigurationManager,
    *,
    database: Database,
    lake: CandleLake,
    series: Series,
    start_ns: int | None,
    end_ns: int | None = None,
    speed: float | None = None,
    override: ModelOverride | None = None,
    session: str | None = None,
) -> Engine:
    """An engine over one series, not yet started, with a session of its own in the journal: `session`, or a new one.

    `start_ns` None listens to the exchange; otherwise stored bars of [start_ns, end_ns) are played at
    `speed` bars a second (None: as fast as they are taken). Raises DataError where there are no bars.
    """
    before = history_bars(manager.config)
    played = stretch(lake, series, start_ns, end_ns, before) if start_ns is not None else None
    mode = "paper" if played is None else "paper-replay"
    journal = PostgresJournal(database, session or str(uuid.uuid4()), SystemClock())
    await journal.begin(
        mode,
        config_hash=fingerprint(manager.config),
        code_version=code_version(manager.config),
        model_override=asdict(override) if override else None,
    )
    models = ModelRegistry(manager, database)
    if played is None:
        traffic = ExperimentTraffic(database, models, real_money=False)
        ports = await _listening(
            manager, lake, series, models, journal, override=override, experiments=traffic
        )
    else:
        ports = replay_ports(
            played, models, journal, override=override, speed=speed, code_version=code_version(manager.config)
        )
    return build(manager, ports)


def replay_ports(
    played: Stretch,
    models: Models,
    journal: SessionJournal,
    *,
    override: ModelOverride | None = None,
    speed: float | None = None,
    **changes: Any,
) -> Ports:
    """Stored bars, and a clock that they move: what a backtest and a paper replay have in common."""
    clock = SimulatedClock(int(played.bars.ts[0]))
    given = {
        "series": (played.series,),
        "instruments": (played.instrument,),
        "clock": clock,
        "feed": RecordedFeed((played.bars,), clock, bars_per_second=speed),
        "models": models,
        "journal": journal,
        "history": {played.series: played.history},
        "override": override,
        "recorded": {played.series.pair: played.recorded} if played.recorded is not None else {},
        "code_version": code_version(),
    }
    return Ports(**{**given, **changes})


async def _listening(
    manager: ConfigurationManager,
    lake: CandleLake,
    series: Series,
    models: Models,
    journal: SessionJournal,
    *,
    override: ModelOverride | None,
    experiments: Traffic,
) -> Ports:
    if (added := exchange_of(manager)) is not None:
        raise ConfigError(
            f"{added.offer} is not listened to here: gal-friday live trades paper money on its market"
        )
    clock = SystemClock()
    historical = HistoricalDataService(manager, lake=lake, clock=clock)
    history = await historical.history(series, history_bars(manager.config))
    return Ports(
        series=(series,),
        instruments=(instrument_of(history),),
        clock=clock,
        feed=WebSocketConnectionManager(manager, clock=clock).feed((series,)),
        models=models,
        journal=journal,
        history={series: history},
        historical=historical,
        override=override,
        code_version=code_version(manager.config),
        experiments=experiments,
        health_every_s=HEALTH_EVERY_S,
    )
