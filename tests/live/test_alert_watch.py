"""Somebody is told of what an engine goes through, once, and of its end; looking changes nothing in it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from gal_friday_core.alert_rules import RULES
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import LeaseError
from gal_friday_live.alert_watch import AlertDesk, AlertWatch
from tests.adapters.alert_servers import Webhook
from tests.live.account import desk, order
from tests.live.trading import trading
from tests.live.world import manager

PAIR = "BTC/USD"


class Told:
    """An `Alerts` port that keeps what it hears."""

    def __init__(self):
        self.alerts = []

    def raise_alert(self, alert):
        self.alerts.append(alert)

    def take(self):
        said, self.alerts = [str(alert) for alert in self.alerts], []
        return said


class Watched:
    def __init__(self, engine):
        self.engine, self.told, self.now_s = engine, Told(), 0.0
        self.watch = AlertWatch(engine, self.told, name="paper", clock=engine.clock, timer=lambda: self.now_s)

    def look(self, *, later_s=0.0):
        self.now_s += later_s
        self.watch.look()
        return self.told.take()


@asynccontextmanager
async def watched():
    async with trading() as engine:
        yield Watched(engine)


async def test_a_sound_engine_says_nothing():
    async with watched() as seen:
        assert seen.look() == []
        assert seen.look(later_s=3_600) == []


async def test_a_halt_is_a_page_at_once_with_what_was_wrong_and_told_once():
    async with watched() as seen:
        seen.engine.gate.block("UNPROTECTED", "0.5 of BTC/USD has no stop", pair=PAIR)
        await seen.engine.monitoring.trigger_halt("UNPROTECTED")
        seen.watch.look()
        (page,) = seen.told.alerts
        assert (page.severity, page.title) == ("page", "[paper] Trading halted: UNPROTECTED")
        assert "UNPROTECTED BTC/USD: 0.5 of BTC/USD has no stop" in page.text
        seen.told.take()
        assert seen.look(later_s=1) == []


async def test_each_further_reason_to_halt_is_told_and_so_is_the_resumption():
    async with watched() as seen:
        await seen.engine.monitoring.trigger_halt("ORDER_RATE_ANOMALY: more than 120 orders within a minute")
        assert seen.look() == ["PAGE: [paper] Trading halted: ORDER_RATE_ANOMALY"]
        await seen.engine.monitoring.trigger_halt("EXIT_STUCK")
        assert seen.look() == ["PAGE: [paper] Trading halted: EXIT_STUCK"]
        assert (await seen.engine.monitoring.trigger_resume("looked at", "ada")).resumed
        assert seen.look() == ["Info: [paper] Trading resumed"]


async def test_a_halt_by_hand_is_a_warning_and_one_that_an_earlier_run_left_is_a_page():
    async with watched() as seen:
        await seen.engine.monitoring.trigger_halt("MANUAL by ada: lunch")
        assert seen.look() == ["Warning: [paper] Trading halted: MANUAL by ada"]
        after = Watched(seen.engine)
        after.engine.monitoring.reasons.clear()
        seen.engine.halt.reason = "DISK_FULL"
        assert after.look() == ["PAGE: [paper] Trading halted: DISK_FULL"]


@pytest.mark.parametrize(
    ("code", "pair"), [("UNPROTECTED", PAIR), ("LEASE_LOST", ""), ("RECONCILING", ""), ("ORDER_UNKNOWN", PAIR)]
)  # fmt: skip
async def test_a_block_is_told_once_it_has_stood_for_its_patience_and_when_it_is_over(code, pair):
    rule = RULES[code]
    title = f"{'PAGE' if rule.severity == 'page' else 'Warning'}: [paper] {rule.title}{f': {pair}' if pair else ''}"
    async with watched() as seen:
        seen.engine.gate.block(code, "for a reason", pair=pair)
        assert seen.look() == []
        assert seen.look(later_s=rule.patience_s) == [title]
        assert seen.look(later_s=3_600) == []
        seen.engine.gate.clear(code, pair=pair)
        assert seen.look() == [f"{title}: over"]


async def test_what_heals_within_its_patience_wakes_nobody():
    async with watched() as seen:
        for _ in range(5):
            seen.engine.gate.block("EXCHANGE_DISCONNECTED", "connection reset")
            assert seen.look(later_s=20) == []
            seen.engine.gate.clear("EXCHANGE_DISCONNECTED")
            assert seen.look(later_s=20) == []


class Drifting:
    """A prediction service's answer about what drift restricts."""

    def __init__(self, step):
        self.held = Restriction(
            model_type="trees", model_id="trees@v3", step=step, size_factor=Decimal("0.5"), actor="drift",
            reason="CONCEPT_DRIFT HIGH", evidence={}, at_ns=0,
        )  # fmt: skip

    def restrictions(self):
        return [] if self.held is None else [self.held]


async def test_a_model_that_drift_restricts_is_told_with_the_step_and_when_it_is_lifted():
    title = "Warning: [paper] Drift restricts a model: trees@v3"
    async with trading() as engine:
        drifting = Drifting("shrink")
        seen = Watched(replace(engine, prediction=drifting))
        seen.watch.look()
        assert "shrink: CONCEPT_DRIFT HIGH" in seen.told.alerts[0].text
        assert seen.told.take() == [title]
        assert seen.look(later_s=3_600) == []
        drifting.held = None
        assert seen.look() == [f"{title}: over"]


@pytest.mark.parametrize("step", ["note", "halt"])
async def test_a_note_restricts_nothing_and_a_halt_is_told_as_such(step):
    async with trading() as engine:
        assert Watched(replace(engine, prediction=Drifting(step))).look() == []


class Market:
    """An ingestor's answers about its line and books."""

    connected = True

    def fault(self, pair, _now_ns):
        return "not connected" if not self.connected else f"no verified book of {pair}"


async def test_a_market_that_cannot_be_used_is_told_by_pair_and_a_line_that_is_down_once():
    async with trading() as engine:
        market = Market()
        seen = Watched(replace(engine, ingestor=market))
        assert seen.look() == []
        assert seen.look(later_s=60) == ["Warning: [paper] A market cannot be used: BTC/USD"]
        market.connected = False
        assert seen.look() == ["Warning: [paper] A market cannot be used: BTC/USD: over"]
        assert seen.look(later_s=30) == ["Warning: [paper] The market's line is down"]


async def test_differences_of_the_account_are_news_where_they_were_put_right_and_a_warning_where_not():
    async with desk() as our, trading() as engine:
        seen = Watched(replace(engine, reconciliation=our.service))
        assert seen.look() == []
        sent = order()
        number = await our.send(sent)
        await our.account.trade(number, "0.4", "100", "0.1", order=sent, told=False)
        await our.reconcile()
        assert seen.look() == ["Info: [paper] The account differed in one thing, put right"]
        assert seen.look() == []
        our.account.holds["USD"] -= 500
        await our.reconcile()
        assert seen.look() == ["Warning: [paper] The account differed in one thing"]


async def test_an_engine_that_starts_and_ends_is_told_and_an_error_that_ends_it_is_a_page():
    with Webhook() as hook:
        config = manager(alerts={"info_urls": [hook.url], "pause_s": 0, "repeat_after_s": 0}).config

        async def lives_and_ends(engine):
            async with AlertDesk(engine, config.alerts, name="paper", clock=engine.clock):
                await asyncio.to_thread(hook.arrived.wait, 1)
                raise LeaseError("another engine has taken over the account")

        async with trading() as engine:
            with pytest.raises(LeaseError):
                await lives_and_ends(engine)
        first, last = hook.arrived.all[0], hook.arrived.all[-1]
    assert first["title"] == "Gal-Friday Info: [paper] Engine starts"
    assert last["title"] == "Gal-Friday PAGE: [paper] Engine ended by an error"
    assert "LeaseError: another engine has taken over the account" in last["message"]


async def test_a_watch_that_fails_is_a_page_and_hides_no_end():
    with Webhook() as hook:
        config = manager(alerts={"info_urls": [hook.url], "pause_s": 0}).config
        async with trading() as engine:
            engine.ingestor.fault = lambda pair, now_ns: 1 / 0
            async with AlertDesk(engine, config.alerts, name="paper", clock=engine.clock):
                await asyncio.to_thread(hook.arrived.wait, 1)
    told = " ".join(f"{one['title']} {one['message']}" for one in hook.arrived.all)
    assert "PAGE: [paper] Nobody watches the engine" in told
    assert "ZeroDivisionError" in told
    assert "Engine ended" in told
