"""A runaway engine is halted by the rate of its orders; a busy one is not, and what reduces is let out."""

import pytest

from gal_friday_core.config import RiskConfig
from gal_friday_core.risk.order_count import ANOMALY as CODE
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.order_rate import OrderRate
from tests.core.trading import order, signal
from tests.live.test_risk_manager import predicted
from tests.live.trading import collect, entries, trading
from tests.live.world import CALM, manager, predictor

MOST = 3
ENTRY, EXIT = order(), order(side="SELL", reduce_only=True)


class Rate(OrderRate):
    """With a clock, and what it called for."""

    def __init__(self):
        self.clock, self.calls, self.halted = SimulatedClock(MINUTE_NS), [], False
        bus = PubSubManager(self.clock, SequentialIds())
        limits = RiskConfig(halt_orders_per_minute=MOST)
        super().__init__(bus, clock=self.clock, limits=lambda: limits, is_halted=lambda: self.halted)
        bus.subscribe("POTENTIAL_HALT_TRIGGER", lambda event: self.calls.append(event.payload.reason))


async def test_one_entry_too_many_within_a_minute_is_refused_and_calls_for_a_halt():
    rate = Rate()
    assert [rate.why(ENTRY) for _ in range(MOST)] == [None] * MOST
    assert rate.calls == []
    over = rate.why(ENTRY)
    assert (over.code, over.details["limit"], over.details["over"]) == ("ORDER_RATE_EXCEEDED", "3", "1")
    assert [call.partition(":")[0] for call in rate.calls] == [CODE]


async def test_sells_count_and_are_let_out():
    rate = Rate()
    assert [rate.why(EXIT) for _ in range(MOST + 5)] == [None] * (MOST + 5)
    assert len(rate.calls) == 5


@pytest.mark.parametrize(
    ("code", "calls"), [("ORDER_RATE_EXCEEDED", 1), ("DUPLICATE_ORDER", 1), ("EXCEEDS_MAX_EXPOSURE", 0)]
)
async def test_buys_that_were_refused_as_too_many_or_repeated_count(code, calls):
    rate = Rate()
    for _ in range(MOST + 1):
        rate.refused(code)
    assert len(rate.calls) == calls


async def test_the_same_number_spread_over_a_minute_is_no_anomaly():
    rate = Rate()
    for _ in range(20):
        assert rate.why(ENTRY) is None
        rate.clock.advance_to(rate.clock.now_ns() + MINUTE_NS // MOST)
    assert rate.calls == []


async def test_a_halted_engine_is_not_halted_again():
    rate = Rate()
    rate.halted = True
    assert [rate.why(EXIT) for _ in range(MOST + 1)] == [None] * (MOST + 1)
    assert rate.calls == []


@pytest.mark.parametrize("proposals", [8, 9])
async def test_a_runaway_strategy_halts_the_engine_in_the_journal_and_buys_no_more(proposals):
    limits = {"max_orders_per_minute": 3, "halt_orders_per_minute": 8, "risk_per_trade": "0.00002"}
    journal = MemoryJournal()
    async with trading(manager(risk={**CALM, **limits}), journal=journal) as engine:
        refusals = collect(engine, "TRADE_SIGNAL_REJECTED")
        now = engine.clock.now_ns()
        for number in range(proposals):
            wish = signal(
                f"s{number}",
                expires_at=now + SECOND_NS,
                price="30000",
                stop=str(29_900 - number),
                target=None,
            )
            await engine.bus.publish("TRADE_SIGNAL_PROPOSED", predicted(wish, predictor().model_id))
        await engine.tasks.settle()
        assert engine.halt.halted == (proposals > 8)
        assert engine.execution.orders == 3
    assert [event.payload.reason for event in refusals] == ["ORDER_RATE_EXCEEDED"] * (proposals - 3)
    told = [entry.record["reason"] for entry in await entries(journal, "SYSTEM_STATE")]
    assert [reason.partition(":")[0] for reason in told] == ([CODE] if proposals > 8 else [])
