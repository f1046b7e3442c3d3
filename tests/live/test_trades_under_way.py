"""A position that an earlier run opened is left by the rule and at the bar that it was entered for."""

from decimal import Decimal

import numpy as np

from gal_friday_core.config import BarriersConfig
from gal_friday_core.portfolio import Position
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.trades_under_way import trades_under_way
from tests.live.trading import collect, trading
from tests.live.world import CALM, SERIES, manager, market, played, predictor

PAIR = SERIES.pair


class Held:
    def __init__(self, quantity, opened_at=None):
        self.held = Position(quantity=Decimal(quantity), opened_at=opened_at)

    def position(self, _pair):
        return self.held


async def found(positions, *models, entries=(), history=None):
    journal = MemoryJournal()
    for number, (purpose, model_id) in enumerate(entries):
        record = {"trading_pair": PAIR, "purpose": purpose, "model_id": model_id, "quantity": "1"}
        await journal.append("ORDER_INTENT", str(number), number, record)
    return await trades_under_way(
        journal=journal, models=FixedModels(*models), positions=positions, series=(SERIES,),
        history={} if history is None else {SERIES: history},
    )  # fmt: skip


async def test_without_a_position_nothing_is_under_way():
    assert await found(Held("0"), entries=[("ENTRY", "m")]) == {}


async def test_the_last_entry_names_the_model_whose_barriers_hold():
    long, short = predictor(version=1, horizon=90), predictor(version=2, horizon=7)
    entries = [("ENTRY", long.model_id), ("ENTRY", short.model_id), ("STOP", None)]
    trade = (await found(Held("1", 5), long, short, entries=entries))[PAIR]
    assert trade.barriers == short.barriers
    assert trade.barriers.horizon_bars == 7


async def test_a_model_that_is_gone_leaves_the_configured_rule():
    assert (await found(Held("1", 5), entries=[("ENTRY", "gone@v9")]))[PAIR].barriers is None


async def test_bars_that_closed_after_the_entry_are_counted():
    candles = market(100)
    close = int(candles.ts[89]) + MINUTE_NS
    for opened_at, bars in ((close, 10), (close + 1, 10), (close - 1, 11), (None, 0)):
        trade = (await found(Held("1", opened_at), history=candles))[PAIR]
        assert trade.bars_held == bars, opened_at


async def run_until(journal, models, bars, config):
    """The bars, and when the engine sold; the entry threshold lets it buy at once."""
    async with trading(config, models, bars, journal) as engine:
        reports = collect(engine, "EXECUTION_REPORT")
        await engine.run()
    return [
        report.payload
        for report in reports
        if report.payload.side == "SELL" and report.payload.execution_id is not None
    ]


async def test_a_restarted_engine_leaves_at_the_bar_at_which_the_first_would_have():
    flat = market(2_400)
    prices = np.full(len(flat), 30_000.0)
    calm = type(flat)(SERIES, flat.ts, prices, prices + 30, prices - 30, prices, flat.volume, flat.trades)
    model = predictor(threshold=0.01, horizon=30)
    config = manager(risk=CALM, barriers=BarriersConfig(horizon_bars=500, min_width=0.05).model_dump())
    whole = await run_until(MemoryJournal(), FixedModels(model), played(calm[:2_100]), config)
    assert whole, "the model's horizon ends the trade"
    journal = MemoryJournal()
    before = await run_until(journal, FixedModels(model), played(calm[:2_015]), config)
    assert not before, "the first run ends in the middle of the trade"
    after = await run_until(journal, FixedModels(model), played(calm[:2_100], history=2_015), config)
    assert after[0].timestamp_exchange == whole[0].timestamp_exchange
