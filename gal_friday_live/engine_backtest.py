"""A backtest that the engine itself plays, bar by bar, over one pair or several with one portfolio.

Entry points: `play`, and `follow` for an engine that is built already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.candles import Series
from gal_friday_core.config import CostsConfig
from gal_friday_core.events import Event
from gal_friday_core.frictions import Notes
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.performance import Curve
from gal_friday_core.predictor import Predictor
from gal_friday_core.tearsheet.record import RunRecord
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.fast_backtest import Trading
from gal_friday_live.feeds import RecordedFeed
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.intents import KIND as INTENT
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.replay_data import Stretch
from gal_friday_live.wiring import Ports, build


@dataclass(frozen=True, slots=True, eq=False)
class EnginePlayed:
    """What a run left: the engine's `summary`, its `record`, the models that traded, and seconds by the timer."""

    summary: dict[str, Any]
    record: RunRecord
    models: list[Predictor]
    took_s: float


async def play(
    manager: ConfigurationManager, pairs: Sequence[Trading], cash: Decimal, timer: Callable[[], float]
) -> EnginePlayed:
    """Every bar of the pairs in the order they close. Raises ConfigError for pairs of different quote currencies."""
    paper = manager.config.paper.model_copy(update={"initial_cash": cash})
    settings = manager.config.model_copy(update={"paper": paper})
    start = min(int(pair.played.bars.ts[0]) for pair in pairs)
    curve, journal = [(start, cash)], MemoryJournal(keep_notes=False)
    engine = build(ConfigurationManager.from_config(settings), _ports(pairs, start, journal, curve))
    return await follow(engine, [pair.played for pair in pairs], (curve, journal), settings.costs, timer)


async def follow(
    engine: Engine,
    stretches: Sequence[Stretch],
    kept: tuple[list[tuple[int, Decimal]], MemoryJournal],
    costs: CostsConfig,
    timer: Callable[[], float],
) -> EnginePlayed:
    """Run an engine over these bars to its end; `kept` is what its ports write to: the curve of equity, and the journal."""
    curve, journal = kept
    fills: list[ExecutionReport] = []

    def keep(event: Event) -> None:
        assert isinstance(event.payload, ExecutionReport)
        if event.payload.execution_id is not None:
            fills.append(event.payload)

    engine.bus.subscribe("EXECUTION_REPORT", keep)
    notes = engine.exchange.noted() if isinstance(engine.exchange, PaperExchange) else Notes()
    took_s = await _run(engine, timer)
    sent = (msgspec.convert(one.record, Order) for one in journal.entries if one.kind == INTENT)
    record = RunRecord(
        bars={played.series.pair: played.bars for played in stretches},
        curve=Curve.of(curve),
        fills=fills,
        entries={order.client_order_id: order for order in sent if order.side == "BUY"},
        costs=costs,
        notes=notes,
        history={played.series.pair: played.history for played in stretches},
    )
    models = [engine.prediction.model(name).predictor for name in engine.prediction.model_ids]
    return EnginePlayed(engine.summary(), record, models, took_s)


def _ports(
    pairs: Sequence[Trading], start_ns: int, journal: MemoryJournal, curve: list[tuple[int, Decimal]]
) -> Ports:
    clock = SimulatedClock(start_ns)
    history: dict[Series, Any] = {pair.played.series: pair.played.history for pair in pairs}
    recorded = {pair.played.series.pair: pair.played.recorded for pair in pairs}
    return Ports(
        series=tuple(history),
        instruments=tuple(pair.played.instrument for pair in pairs),
        clock=clock,
        feed=RecordedFeed(tuple(pair.played.bars for pair in pairs), clock),
        models=FixedModels(*(pair.predictor for pair in pairs if pair.predictor is not None)),
        journal=journal,
        ids=SequentialIds(),
        history=history,
        recorded={name: found for name, found in recorded.items() if found is not None},
        on_bar=lambda close_ns, equity: curve.append((close_ns, equity)),
    )


async def _run(engine: Engine, timer: Callable[[], float]) -> float:
    await engine.start()
    begun = timer()
    try:
        await engine.run()
        return timer() - begun
    finally:
        await engine.stop()
