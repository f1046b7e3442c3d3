"""The trading part of `up`: the paper engine on the production model, or on a refused one under a named override."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.paper import ModelOverride, build_paper_engine
from gal_friday_live.up_market import Market
from gal_friday_live.up_screen import LiveScreen, Screen

REFRESH_S = 0.25
OVERRIDE_QUANTILE = "0.95"
"""A refused model rarely reaches its own threshold: under the override it enters on its most confident twentieth."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How recorded history is played to the paper engine."""

    bars_per_second: float | None
    """None plays as fast as the engine can take it."""
    ends: bool
    """Whether the run is over when the history is."""


def override_for(outcome: Mapping[str, Any]) -> ModelOverride | None:
    """None for a promoted model; otherwise the terms on which the refused one may trade paper money."""
    if outcome["promoted"]:
        return None
    threshold = min(float(outcome["entry_threshold"]), float(outcome["oos_quantiles"][OVERRIDE_QUANTILE]))
    return ModelOverride(
        model_id=str(outcome["model_id"]),
        entry_threshold=threshold,
        reason="refused by the gates; paper money only, so that the whole path is seen",
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
    """Run the paper engine until its feed ends, or for ever; the engine's summary. Cancelling stops it cleanly."""
    async with Database(database_url) as database:
        engine = await build_paper_engine(
            manager,
            database=database,
            lake=lake,
            series=market.series,
            start_ns=None if market.live else int(outcome["holdout_start"]),
            end_ns=None,
            speed=replay.bars_per_second,
            override=override_for(outcome),
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
        return dict(engine.summary())


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
