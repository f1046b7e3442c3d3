"""The trading part of `up`: the paper engine on the production model, or on a refused one under a named override."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.candles import Candles
from gal_friday_core.features.drivers import REACH, compute
from gal_friday_core.predictor import Predictor
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.paper import ModelOverride, build_paper_engine
from gal_friday_live.replay_data import history_before
from gal_friday_live.up_market import Market
from gal_friday_live.up_screen import LiveScreen, Screen

REFRESH_S = 0.25
OVERRIDE_QUANTILE = 0.95
OVERRIDE_BARS = 5_000
"""A refused model may never reach its own threshold. Under the override it enters on the most confident
twentieth of its predictions over this many bars before the replay: volatility moves the level of all of them."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How recorded history is played to the paper engine."""

    bars_per_second: float | None
    """None plays as fast as the engine can take it."""
    ends: bool
    """Whether the run is over when the history is."""


def override_for(predictor: Predictor, recent: Candles) -> ModelOverride:
    """The terms on which a refused model may trade paper money.

    `recent` are the bars before the first that it trades, with what the features need to warm up.
    """
    predictions = predictor.predict(compute(recent).values[-OVERRIDE_BARS:])
    known = predictions[np.isfinite(predictions)]
    usual = float(np.quantile(known, OVERRIDE_QUANTILE)) if len(known) else predictor.entry_threshold
    return ModelOverride(
        model_id=predictor.model_id,
        entry_threshold=min(predictor.entry_threshold, usual),
        reason="refused by the gates; trades paper money only, so that the whole path is seen",
    )


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
) -> dict[str, Any]:
    """Run the paper engine until its feed ends, or for ever. Cancelling stops it cleanly.

    The engine's summary, with `override` as the terms that a refused model traded under, or None.
    """
    start_ns = None if market.live else int(outcome["holdout_start"])
    async with Database(database_url) as database:
        override = None
        if not outcome["promoted"]:
            predictor = await ModelRegistry(manager, database).by_id(str(outcome["model_id"]))
            override = override_for(
                predictor, history_before(lake, market.series, start_ns, OVERRIDE_BARS + REACH)
            )
        engine = await build_paper_engine(
            manager,
            database=database,
            lake=lake,
            series=market.series,
            start_ns=start_ns,
            end_ns=None,
            speed=replay.bars_per_second,
            override=override,
        )
        await engine.start()
        try:
            with screen.live() as live:
                await _run(engine, live, footer)
                if not replay.ends:
                    live.show(engine.snapshot(), f"the recorded history has ended\n{footer}")
                    await asyncio.Event().wait()
        finally:
            await engine.stop()
        return {**engine.summary(), "override": None if override is None else asdict(override)}


async def _run(engine: Any, live: LiveScreen, footer: str) -> None:
    runner = asyncio.ensure_future(engine.run())
    try:
        while not runner.done():
            live.show(engine.snapshot(), footer)
            await asyncio.wait({runner}, timeout=REFRESH_S)
    finally:
        if not runner.done():
            runner.cancel()
            await asyncio.wait({runner})
    runner.result()
