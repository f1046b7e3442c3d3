"""The engine on one screen of a terminal: what stands there is so, what is old says so, and a key halts."""

import asyncio
import io
import os
import pty
import signal

import pytest
from rich.console import Console
from typer.testing import CliRunner

from gal_friday_core.errors import StorageError
from gal_friday_live.cli import app
from gal_friday_live.commands.top import ASK, Watching
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.dashboard.doors import Door
from gal_friday_live.dashboard.view import Reading
from gal_friday_live.top_screen import KEYS, Screen
from tests.bounded import PATIENCE_S

SECOND_NS = 10**9
METRICS = {
    "engine": {
        "mode": "paper", "state": "ACTIVE", "halted": False, "halt_reason": None, "blocked_by": None,
        "series": ["kraken:BTC-USD:1m"], "models": ["trees@v3"], "time": "2024-03-01T22:23:57Z",
        "findings": ["LOOP_LAG: 0.3 s, limit 0.25 s"],
    },
    "account": {
        "currency": "USD", "equity": "10006.04", "cash": "7491.13", "exposure": "0.25", "unrealized_pnl": "-16.03",
        "realized_pnl": "4", "fees": "10.00", "daily_drawdown": "0.014", "weekly_drawdown": "0", "total_drawdown": "0",
    },
    "positions": {
        "BTC/USD": {
            "quantity": "0.08", "average_entry_price": "29778.811", "price": "29969.85", "market_value": "2514.91",
            "unrealized_pnl": "-16.03", "protected_quantity": "0.05",
        },
    },
    "orders": [
        {"pair": "DOGE/USD", "side": "BUY", "purpose": "ENTRY", "quantity": "100", "filled": "0",
         "trigger_price": None, "limit_price": "0.00001234", "status": "NEW"},
    ],
    "risk": {"limits": {
        "max_daily_drawdown": {"used": 0.28}, "max_pair_exposure BTC/USD": {"used": 1.01},
        "max_order_value": {"used": None},
    }},
    "counts": {"bars": 1890, "orders": 3},
    "health": {"loop_lag_s": 0.0317, "memory_mb": 419.2, "clock_offset_s": None},
}  # fmt: skip


def drawn(reading, *, now_ns=0, width=132, height=36, **shown):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(Screen(reading, now_ns, **shown))
    return console.file.getvalue()


def live(**engine):
    return Reading("live", 0, {**METRICS, "engine": {**METRICS["engine"], **engine}}, 0)


def test_account_positions_orders_and_limits_stand_on_the_screen():
    text = drawn(live())
    for said in (
        "✓ ACTIVE", "10,006.04 USD", "25.00%", "-16.03", "✗ 0.05", "0.00001234", "DOGE/USD", "trees@v3", "bars 1,890",
        "loop lag 32 ms", "memory 419 MB", "LOOP_LAG: 0.3 s", KEYS,
    ):  # fmt: skip
        assert said in text, said
    limits = [line for line in text.splitlines() if "max " in line]
    assert "101%" in limits[0]
    assert "28%" in limits[1]  # the closest first
    assert "order value" not in text  # nothing limits it


@pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 10), (80, 24), (109, 30), (110, 30), (300, 100)])
def test_a_screen_of_any_size_is_filled_and_not_exceeded(width, height):
    lines = drawn(live(), width=width, height=height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"halted": True, "halt_reason": "DRAWDOWN: 6 %"}, "✗ HALTED: DRAWDOWN: 6 %"),
        ({"blocked_by": "the line is down"}, "! enters nothing: the line is down"),
        ({"market_ended": True}, "! the recorded market has ended: nothing more is traded"),
    ],
)
def test_what_keeps_it_from_trading_stands_at_the_top(engine, said):
    assert said in drawn(live(**engine)).splitlines()[1]


def test_numbers_that_are_not_of_now_say_how_old_they_are():
    hung = Reading("hung", 5 * SECOND_NS, METRICS, 2 * SECOND_NS, "it took the question and does not answer")
    head = drawn(hung, now_ns=12 * SECOND_NS).splitlines()[1]
    assert "NO ANSWER since 00:00:05 UTC" in head
    assert "10 s old" in head
    gone = Reading("gone", 5 * SECOND_NS, {}, None, "no engine is running")
    text = drawn(gone, path="/data/control.sock")
    assert "NO ENGINE since 00:00:05 UTC: nothing answers at /data/control.sock" in text
    assert "ACTIVE" not in text


def test_text_of_others_commands_no_terminal():
    text = drawn(live(halted=True, halt_reason="\x1b[2Jgone\x07"))
    assert not set(text) & {"\x1b", "\x07"}


def test_names_that_look_like_markup_are_shown_as_they_are():
    assert "[red]x[/red]" in drawn(live(halted=True, halt_reason="[red]x[/red]"))


class FakeEngine:
    """Answers as an engine does, and remembers what it was told."""

    def __init__(self):
        self.heard = []
        self.halted = asyncio.Event()

    async def answer(self, request):
        if request["command"] == "metrics":
            return {"readings": {}}
        if request["command"] == "halt":
            self.heard.append(request)
            self.halted.set()
        return METRICS


@pytest.fixture
def terminal():
    main, other = pty.openpty()
    yield main, other
    os.close(main)
    os.close(other)


def at(*folders):
    return [Door(folder.name, control_path(folder)) for folder in folders]


async def shows(watching, console, what):
    async with asyncio.timeout(PATIENCE_S):
        while what not in console.file.getvalue():
            assert not watching.done(), watching.result()
            await asyncio.sleep(0.02)


async def test_keys_halt_after_a_question_and_quit(tmp_path, terminal):
    main, other = terminal
    engine, console = FakeEngine(), Console(file=io.StringIO(), width=120, height=30, force_terminal=True)
    async with ControlSocket(control_path(tmp_path), engine.answer):
        watching = asyncio.create_task(Watching(at(tmp_path), console, 0.1, keyboard=other).run())
        await shows(watching, console, "ACTIVE")
        os.write(main, b"h")
        await shows(watching, console, ASK)
        os.write(main, b"n")
        await shows(watching, console, "Nothing was done.")
        assert engine.heard == []
        os.write(main, b"hy")
        await engine.halted.wait()
        await shows(watching, console, "Halted: entries are cancelled")
        os.write(main, b"q")
        await asyncio.wait_for(watching, PATIENCE_S)
    (told,) = engine.heard
    assert (told["reason"], bool(told["who"])) == ("the key h of gal-friday top", True)


async def test_an_engine_that_goes_while_it_is_watched_is_told_and_a_halt_then_is_not_claimed(
    tmp_path, terminal
):
    main, other = terminal
    engine, console = FakeEngine(), Console(file=io.StringIO(), width=120, height=30, force_terminal=True)
    socket = ControlSocket(control_path(tmp_path), engine.answer)
    await socket.open()
    watching = asyncio.create_task(Watching(at(tmp_path), console, 0.1, keyboard=other).run())
    await shows(watching, console, "ACTIVE")
    await socket.close()
    await shows(watching, console, "NO ENGINE since")
    os.write(main, b"hy")
    await shows(watching, console, "NOT HALTED: no engine is running")
    os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does
    await asyncio.wait_for(watching, PATIENCE_S)


def test_without_a_terminal_one_screen_or_why_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    ran = CliRunner().invoke(app, ["top"])
    assert isinstance(ran.exception, StorageError)
    assert "no engine is running" in str(ran.exception)
