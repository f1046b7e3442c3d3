"""What the dashboard says of an engine that trades, hangs and ends, and how it tells browsers."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest
import websockets

from gal_friday_live.dashboard.broadcast import Broadcast
from gal_friday_live.dashboard.figures import texts
from gal_friday_live.dashboard.messages import message
from gal_friday_live.dashboard.service import DashboardService
from gal_friday_live.dashboard.state import headline
from gal_friday_live.dashboard.view import Reading
from tests.live.dashboard_room import OVERVIEW, manager_at, room


@asynccontextmanager
async def watching(here):
    """What a page hears over its line."""
    async with here.logged_in() as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        line = here.url.replace("http", "ws") + "/live"
        async with websockets.connect(line, origin=here.url, additional_headers={"Cookie": cookie}) as live:
            yield live


async def heard(live, holds):
    async with asyncio.timeout(60):
        while not holds(told := json.loads(await live.recv())):
            pass
    return told


async def test_a_page_is_told_texts_bars_and_state_and_what_changes(tmp_path):
    async with room(tmp_path) as here, watching(here) as live:
        told = await heard(live, lambda told: told["state"] == "live")
        assert told["texts"]["account.equity"] == "10,000.00"
        assert told["texts"]["positions.BTC/USD.unrealized_pnl"] == "12.50"
        assert told["texts"]["measured.loop.lag_p99_seconds"] == "4 ms"
        assert told["texts"]["headline.word"] == "TRADING"
        assert told["bars"]["risk.limits.max_daily_drawdown"] == ["4.00%", 0.8, "warn"]
        assert not told["halted"]
        here.engine.overview_told = {**OVERVIEW, "positions": {}}
        flat = await heard(live, lambda later: later["shape"] != told["shape"])
        assert "positions.BTC/USD.unrealized_pnl" not in flat["texts"]
        ended = {**OVERVIEW["engine"], "market_ended": True}
        here.engine.overview_told = {**OVERVIEW, "engine": ended}
        over = await heard(live, lambda told: told["tones"]["headline.word"] == "warn")
        assert over["texts"]["headline.word"] == "HISTORY ENDED"
        assert "no bar comes after 2026-03-01 12:00:00" in over["texts"]["headline.detail"]
        await here.engine.trigger_halt("MANUAL by ada: enough", "CANCEL_ENTRIES")
        halted = await heard(live, lambda told: told["halted"])
        assert halted["texts"]["headline.word"] == "HALTED"
        assert halted["texts"]["headline.detail"] == "MANUAL by ada: enough"
        assert halted["tones"]["headline.word"] == "bad"


async def test_numbers_of_an_engine_that_hangs_or_ends_are_never_sent_as_live(tmp_path, monkeypatch):
    monkeypatch.setattr("gal_friday_live.dashboard.poller.HUNG_AFTER_S", 0.2)
    async with room(tmp_path) as here, watching(here) as live:
        await heard(live, lambda told: told["state"] == "live")
        here.engine.hangs.clear()
        hung = await heard(live, lambda told: told["state"] == "hung")
        assert set(hung["texts"]) == {"headline.word", "headline.detail"}
        assert hung["texts"]["headline.word"] == "ENGINE SILENT"
        assert "; the numbers below are of " in hung["texts"]["headline.detail"]
        assert here.door.callers == 1, "one question is out, however long"
        here.engine.hangs.set()
        await heard(live, lambda told: told["state"] == "live")
        await here.door.close()
        gone = await heard(live, lambda told: told["state"] == "gone")
        assert gone["texts"]["headline.word"] == "ENGINE STOPPED"
        assert gone["bars"] == {}
        async with here.logged_in() as client:
            page = (await client.get("/")).text
            told = (await client.get("/api/metrics")).json()
        assert "ENGINE STOPPED" in page
        assert told["age_s"] > 0
        await here.door.open()
        again = await heard(live, lambda told: told["state"] == "live")
        assert again["texts"]["account.equity"] == "10,000.00"


async def test_halting_an_engine_that_is_gone_says_that_it_was_not_halted(tmp_path):
    async with room(tmp_path, served=False) as here, here.logged_in() as client:
        own = {"Origin": here.url, "X-CSRF-Token": client.csrf}
        answer = await client.post("/actions/halt", json={}, headers=own)
        assert answer.status_code == 503
        assert "no engine is running" in answer.json()["error"]


async def test_an_engine_starts_after_the_dashboard_did(tmp_path):
    async with room(tmp_path, served=False) as here:
        async with here.logged_in() as client:
            assert "No engine has answered yet" in (await client.get("/")).text
        await here.door.open()
        told = await here.until(lambda told: told["state"] == "live")
        assert told["metrics"]["account"]["equity"] == "10000.00"
        async with here.logged_in() as client:
            page = (await client.get("/")).text
        assert 'data-live="account.equity">10,000.00<' in page


async def test_a_slow_page_misses_what_is_old_and_holds_nobody_up():
    broadcast = Broadcast(most=2)
    with broadcast.joined() as slow, broadcast.joined() as quick:
        assert broadcast.full
        for number in range(100):
            broadcast.send(str(number))
            if number:
                quick.get_nowait()
        assert [slow.get_nowait(), slow.get_nowait()] == ["98", "99"]
        assert (quick.get_nowait(), broadcast.skipped) == ("99", 98)
    assert broadcast.listeners == 0
    broadcast.send("to nobody")


async def test_every_page_renders_through_the_service_with_and_without_an_engine(tmp_path):
    now_ns = time.time_ns()
    live = Reading("live", now_ns, OVERVIEW, now_ns)
    for reading in (None, live):
        service = DashboardService(
            manager_at(tmp_path), None, reading=(lambda reading=reading: reading) if reading else None
        )
        pages = [
            await service.render_main_dashboard(), await service.render_trading_dashboard(),
            await service.render_model_dashboard(), await service.render_risk_dashboard(),
            await service.render_system_dashboard(),
        ]  # fmt: skip
        for page in pages:
            assert page.startswith('<!doctype html><html lang="en">')
            assert page.count('aria-current="page"') == 1
            assert "style=" not in page, "the policy forbids inline styles"
            assert "<script>" not in page
        told = await service.get_real_time_metrics()
        assert told["state"] == ("gone" if reading is None else "live")


def test_what_an_engine_says_is_never_taken_for_html():
    evil = "<img src=x onerror=alert(1)>"
    reading = Reading(
        "live", 1, {**OVERVIEW, "engine": {**OVERVIEW["engine"], "halt_reason": evil, "state": "HALTED"}}, 1
    )
    assert headline(reading).detail == evil
    assert evil in json.loads(message(reading))["texts"]["headline.detail"]


async def test_a_page_escapes_what_an_engine_says(tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    engine = {
        **OVERVIEW["engine"],
        "findings": [evil],
        "models": [evil],
        "halt_reason": evil,
        "state": "HALTED",
    }
    held = {evil: OVERVIEW["positions"]["BTC/USD"]}
    now_ns = time.time_ns()
    reading = Reading("live", now_ns, {**OVERVIEW, "engine": engine, "positions": held}, now_ns)
    service = DashboardService(manager_at(tmp_path), None, reading=lambda: reading)
    for page in (await service.render_main_dashboard(), await service.render_system_dashboard()):
        assert "<img" not in page
        assert "&lt;img" in page


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("account.equity", "10,000.00"),
        ("account.exposure", "25.00%"),
        ("engine.models", "m@v1"),
        ("engine.time", "2026-03-01 12:00:00"),
        ("engine.recorded", "no"),
        ("bus.handler_p50_ns", "4 µs"),
        ("health.free_disk_mb", "9000 MB"),
    ],
)
def test_numbers_are_written_the_same_on_page_and_wire(path, text):
    assert texts(OVERVIEW)[path] == text
