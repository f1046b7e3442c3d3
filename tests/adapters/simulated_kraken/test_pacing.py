"""A market that is faster than its machine: whoever asks is answered, and it goes on at the speed that can be kept."""

import asyncio
import os
import time
from decimal import Decimal

import pytest

from gal_friday_adapters.simulated_kraken import pacing
from gal_friday_adapters.simulated_kraken.about import ask_about, following
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.pacing import Pace
from gal_friday_adapters.simulated_kraken.scaled_time import Anchors, ScaledTime
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.signing import Keyring
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import DEMO_LISTINGS
from tests.adapters.simulated_kraken.running import Ladder
from tests.bounded import PATIENCE_S, finished

SPEED, WORK_S, EVERY_NS = 200.0, 0.002, SECOND_NS // 20
"""Two milliseconds of work twenty times a second of the market: no machine does more than twenty-five seconds of it in one."""


class Laborious(Ladder):
    """A market that takes its time."""

    def open(self, floor, now_ns):
        super().open(floor, now_ns)
        self.due = now_ns + EVERY_NS

    def due_ns(self):
        return self.due

    def act(self, floor, now_ns):
        until = time.perf_counter() + WORK_S
        while time.perf_counter() < until:
            pass
        self.due += EVERY_NS


@pytest.fixture
def scaled(monkeypatch):
    monkeypatch.setattr(pacing, "WINDOW_S", 0.2)
    return ScaledTime.begin(start_ns=0, speed=SPEED)


@pytest.fixture
def server(scaled):
    listing = DEMO_LISTINGS[0]
    venue = Venue(seed=1, start_ns=0, listings=(listing,), markets={listing.symbol: Laborious()})
    exchange = Exchange(
        venue,
        now=scaled.now_ns,
        faults=WireFaults.parse("", 1),
        tokens=Tokens(os.urandom),
        reach_ns=SECOND_NS,
    )
    return SimulatedKraken(exchange, Keyring([]), about={"venue_id": "here"}, scaled=scaled)


def test_a_market_that_its_machine_cannot_keep_answers_slows_down_and_is_followed(
    server, scaled, monkeypatch, caplog
):
    monkeypatch.setattr("gal_friday_adapters.simulated_kraken.about.LOOK_EVERY_S", 0.05)

    async def watched():
        async with server:
            about = await ask_about(server.url)
            assert about.venue_id == "here"
            clock = ScaledTime.begin(start_ns=0, speed=SPEED)
            with following(about, server.url, clock):
                async with asyncio.timeout(PATIENCE_S):
                    while clock.speed > 25:  # noqa: ASYNC110 - a thread moves it
                        await asyncio.sleep(0.01)
            assert clock.anchors == scaled.anchors or scaled.speed < clock.speed

    asyncio.run(finished(watched()))
    said = [record.getMessage() for record in caplog.records]
    assert any(
        line.startswith("this machine is too busy for a market at 200 times its pace") for line in said
    )
    assert any(line.startswith("the simulated exchange goes on at ") for line in said)


def test_nobody_who_asks_waits_until_the_market_has_caught_up(server, scaled):
    scaled.go_on(3_600 * SECOND_NS, SPEED)
    exchange = server.exchange
    assert not exchange.advance()
    assert exchange.reached_ns == exchange.now_ns() - SECOND_NS == SECOND_NS


@pytest.mark.parametrize(("speed", "met"), [(1.0, 0), (60.0, 40), (1000.0, 21)])
def test_what_is_kept_is_not_slowed(speed, met):
    pace = Pace(speed, began_s=0.0)
    for window in range(1, 6):
        for _ in range(met):
            pace.met()
        assert pace.kept_speed(window * pacing.WINDOW_S) is None


def test_a_moment_s_business_changes_nothing():
    pace = Pace(20.0, began_s=0.0)
    assert pace.kept_speed(2.0) is None
    for _ in range(40):
        pace.met()
    assert [pace.kept_speed(moment) for moment in (4.0, 6.0)] == [None, None]
    assert pace.kept_speed(8.0) == 1.5


def test_it_goes_faster_again_once_the_machine_has_room_and_waits_longer_where_that_was_too_soon():
    def windows(pace, met, most=100):
        """How many pass until something changes."""
        for window in range(1, most):
            for _ in range(met):
                pace.met()
            now_s[0] += pacing.WINDOW_S
            if pace.kept_speed(now_s[0]) is not None:
                return window
        return None

    now_s, pace = [0.0], Pace(20.0, began_s=0.0)
    assert (windows(pace, met=2), pace.speed) == (2, 3.0)
    assert (windows(pace, met=40), pace.speed) == (3, 6.0)
    assert (windows(pace, met=1), pace.speed) == (2, 1.5)
    assert (windows(pace, met=40), pace.speed) == (6, 3.0)
    for speed in (6.0, 12.0, 20.0):
        assert (windows(pace, met=40), pace.speed) == (6, speed)
    assert windows(pace, met=40) is None


def test_a_clock_that_goes_over_to_an_earlier_time_stands_until_then():
    machine = [0]
    clock = ScaledTime.begin(start_ns=0, speed=10.0, monotonic=lambda: machine[0])
    machine[0] = SECOND_NS
    assert clock.now_ns() == 10 * SECOND_NS
    clock.adopt(Anchors(now_ns=8 * SECOND_NS, monotonic_ns=SECOND_NS, speed=2.0))
    machine[0] = int(Decimal("1.5") * SECOND_NS)
    assert clock.now_ns() == 10 * SECOND_NS
    machine[0] = 3 * SECOND_NS
    assert clock.now_ns() == 12 * SECOND_NS
