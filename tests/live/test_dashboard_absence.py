"""An engine that is killed tells nobody: the dashboard beside it does."""

import asyncio

import pytest

from gal_friday_core.alert_rules import RULES
from gal_friday_live.dashboard.absence import EngineWatch
from gal_friday_live.dashboard.view import Reading
from tests.bounded import PATIENCE_S
from tests.live.dashboard_room import OVERVIEW, room

LIVE = Reading("live", 0, OVERVIEW, 0)
GONE, HUNG = Reading("gone", 0), Reading("hung", 0)


class Watching:
    def __init__(self, folder):
        self.told = []
        self.now_s = 0.0
        self.reading = LIVE
        self.socket = folder / "control.sock"
        self.socket.touch()
        self.watch = EngineWatch(
            self, reading=lambda: self.reading, socket=self.socket, timer=lambda: self.now_s
        )

    def raise_alert(self, alert):
        self.told.append((alert.severity, alert.title))

    def look(self, reading, later_s=0.0):
        """What is told of it, and so much later."""
        self.reading = reading
        self.watch.look()
        self.now_s += later_s
        self.watch.look()
        told, self.told = self.told, []
        return told


@pytest.fixture
def watching(tmp_path):
    return Watching(tmp_path)


def test_a_role_of_a_split_engine_is_missed_by_its_name(watching):
    role = {**OVERVIEW, "engine": {**OVERVIEW["engine"], "role": "decision", "name": "dm"}}
    assert watching.look(Reading("live", 0, role, 0)) == []
    assert watching.look(GONE, RULES["ENGINE_GONE"].patience_s) == [
        ("page", "[dashboard] The engine is gone: decision maker")
    ]


@pytest.mark.parametrize(
    ("reading", "code", "title"),
    [
        (GONE, "ENGINE_GONE", "[dashboard] The engine is gone"),
        (HUNG, "ENGINE_SILENT", "[dashboard] The engine does not answer"),
    ],
)
def test_an_engine_that_is_gone_or_hangs_is_a_page_after_its_patience_and_over_when_it_answers(
    watching, reading, code, title
):
    patience_s = RULES[code].patience_s
    assert watching.look(LIVE, patience_s) == []
    assert watching.look(reading, patience_s - 1) == []
    assert watching.look(reading, 1) == [("page", title)]
    assert watching.look(reading, 3_600) == []
    assert watching.look(LIVE) == [("page", f"{title}: over")]


def test_an_engine_that_is_started_again_at_once_wakes_nobody(watching):
    assert watching.look(LIVE) == []
    assert watching.look(GONE, 5) == []
    assert watching.look(LIVE, 3_600) == []


def test_an_engine_that_ended_in_order_is_not_missed(watching):
    assert watching.look(LIVE) == []
    watching.socket.unlink()
    assert watching.look(GONE, 3_600) == []
    watching.socket.touch()  # of another, which never answered
    assert watching.look(GONE, 3_600) == []


def test_one_that_never_answered_or_plays_recorded_history_is_not_missed(watching):
    assert watching.look(GONE, 3_600) == []
    replay = {**OVERVIEW, "engine": {**OVERVIEW["engine"], "mode": "paper-replay"}}
    assert watching.look(Reading("live", 0, replay, 0)) == []
    assert watching.look(GONE, 3_600) == []


async def test_the_running_dashboard_tells_of_an_engine_that_left_its_socket_behind(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("gal_friday_live.dashboard.absence.LOOK_EVERY_S", 0.02)
    monkeypatch.setitem(RULES, "ENGINE_GONE", RULES["ENGINE_GONE"].__class__("page", 0, "The engine is gone"))
    seen, look = asyncio.Event(), EngineWatch.look

    def looked(self):
        look(self)
        if self._mode:
            seen.set()

    monkeypatch.setattr(EngineWatch, "look", looked)
    async with room(tmp_path) as here:
        await asyncio.wait_for(seen.wait(), PATIENCE_S)
        await here.door.close()
        here.door.path.touch()
        async with asyncio.timeout(PATIENCE_S):
            while "The engine is gone" not in caplog.text:  # noqa: ASYNC110 - a log line
                await asyncio.sleep(0.02)
        here.door.path.unlink()
