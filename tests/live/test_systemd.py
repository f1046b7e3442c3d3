"""What the service manager hears."""

import asyncio
import contextlib
import socket

from gal_friday_core.payloads import LogEntry
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.heartbeat import STILL_S, Heartbeat
from gal_friday_live.ids import SequentialIds
from gal_friday_live.systemd import notify


def test_a_state_reaches_the_socket_that_the_manager_named(tmp_path):
    path = tmp_path / "notify"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(str(path))
        assert notify("READY=1", {"NOTIFY_SOCKET": str(path)})
        assert listening.recv(100) == b"READY=1"


def test_an_abstract_socket_is_reached_too():
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind("\0gal-friday-test-notify")
        assert notify("WATCHDOG=1", {"NOTIFY_SOCKET": "@gal-friday-test-notify"})
        assert listening.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_is_said(tmp_path):
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "elsewhere"})
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})


class Seconds:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def test_heart_stops_while_a_handler_hangs_and_beats_again_once_it_came_back():
    bus, seconds, released = PubSubManager(SimulatedClock(0), SequentialIds()), Seconds(), asyncio.Event()

    async def hangs(_):
        await released.wait()

    bus.subscribe("LOG_ENTRY", hangs)
    heart = Heartbeat(bus, timer=seconds)
    hanging = asyncio.ensure_future(bus.publish("LOG_ENTRY", LogEntry(level="INFO", message="x")))
    await asyncio.sleep(0)
    assert not heart.stands_still()
    seconds.now += STILL_S + 1
    assert "has not come back for 11 s" in heart.stands_still()
    released.set()
    await hanging
    assert not heart.stands_still()


async def test_heart_of_an_engine_without_events_goes_on_beating():
    bus, seconds = PubSubManager(SimulatedClock(0), SequentialIds()), Seconds()
    heart = Heartbeat(bus, timer=seconds)
    for _ in range(5):
        seconds.now += STILL_S * 10
        assert not heart.stands_still()


async def test_heart_of_a_busy_bus_that_moves_goes_on_beating():
    bus, seconds, found = PubSubManager(SimulatedClock(0), SequentialIds()), Seconds(), []
    heart = Heartbeat(bus, timer=seconds)

    async def slow(_):
        seconds.now += STILL_S - 1
        found.append(heart.stands_still())

    bus.subscribe("LOG_ENTRY", slow)
    for _ in range(5):
        await bus.publish("LOG_ENTRY", LogEntry(level="INFO", message="x"))
    assert found == [""] * 5
