"""Each kind of trouble alone, about an order; a crash at every so many steps; and memory over virtual hours."""

import pytest

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_core.times import SECOND_NS
from gal_friday_live.simulation import past
from gal_friday_live.simulation.campaign import crash_points, run_all
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.soak import Hour, Soak, soak
from gal_friday_live.simulation.world import Plan, run

ALONE = {
    "late frames": (Fault(15.0, "stray", "late", 30.0, 0.3), "frame late"),
    "repeated frames": (Fault(15.0, "stray", "repeated", 30.0, 0.3), "frame repeated"),
    "reordered frames": (Fault(15.0, "stray", "reordered", 30.0, 0.3), "frame reordered"),
    "a lockout": (Fault(20.5, "lockout", "", 30.0), "lockout"),
    "a slow model": (Fault(15.0, "model", "", 30.0, 0.6), "fault     model"),
    "a database that is started anew": (Fault(20.5, "store", "stuck", 8.0), "is stuck"),
    "nothing that takes a byte": (Fault(19.0, "full", "", 20.0), "the halt is not on its page"),
    "a deposit": (Fault(20.5, "flow", "20000"), "CASH_FLOW L"),
    "a withdrawal": (Fault(20.5, "flow", "-2000"), "CASH_FLOW L"),
    "somebody else's buy": (Fault(15.0, "stranger", "buy"), "external:"),
    "somebody else's offer": (Fault(40.0, "stranger", "bid"), "external:"),
}


@pytest.mark.parametrize("what", ALONE)
def test_a_world_with_one_kind_of_trouble_keeps_every_promise_and_shows_it(what):
    fault, told = ALONE[what]
    outcome = run(Plan(seed=1, faults=(fault,)))
    assert outcome.violations == ()
    assert any(told in line for line in outcome.trace)


def by_its_own_clock(life):
    """What reduces risk carries its deadline in a time that may be wrong."""
    life.engine.exchange._by_their_clock = lambda order: order


def test_an_engine_with_a_wrong_clock_keeps_what_it_holds_protected_and_one_that_cannot_is_seen():
    """It is started on that clock; its stops are swept, and later trigger where nobody buys."""
    faults = (Fault(28.0, "clock", "-3600"), Fault(30.0, "crash", ""), Fault(45.0, "sweep", ""))
    assert run(Plan(seed=400, faults=faults, seconds=90)).violations == ()
    broken = run(Plan(seed=400, faults=faults, seconds=90, tamper=by_its_own_clock))
    assert "P10" in {violation.promise for violation in broken.violations}


@pytest.mark.parametrize("at_s", [19.0, 20.79, 49.0])
def test_an_elder_engine_journals_and_sends_nothing_once_a_second_one_has_the_account(at_s):
    outcome = run(Plan(seed=1, faults=(Fault(at_s, "rival", ""),)))
    assert outcome.violations == ()
    assert outcome.lives == 2
    assert any("ended: another engine has taken over the account" in line for line in outcome.trace)


def test_a_killed_engine_recovers_wherever_it_was_killed():
    points = crash_points(Plan(seed=1, faults=(), seconds=25), every=60)
    assert len(points) >= 8
    assert points[1].crash_at == 61
    campaign = run_all(points)
    assert campaign.worlds == len(points)
    assert campaign.lives == 2 * len(points)
    assert campaign.failed == []


def test_a_long_run_tells_of_memory_hour_by_hour():
    told = []
    done = soak(1, rate=1.0, told=told.append)
    assert done.outcome.violations == ()
    assert [hour.hour for hour in done.hours] == [hour.hour for hour in told] == [1]
    assert told[0].orders >= 10
    assert told[0].lines > told[0].kept > told[0].orders


def test_memory_that_grows_is_not_called_flat():
    calm = run(Plan(seed=1, faults=(), seconds=1))
    grows = tuple(
        Hour(hour=hour, rss_mb=200.0, objects=100_000 + 9_000 * hour, kept=100, lines=1, steps=1, orders=1)
        for hour in (1, 2, 3)
    )
    assert not Soak(outcome=calm, hours=grows, grown={}).flat


def test_a_world_whose_past_is_forgotten_keeps_its_promises_and_its_sums(monkeypatch):
    monkeypatch.setattr(past, "KEPT_NS", 60 * SECOND_NS)
    monkeypatch.setattr(past, "LAST_FILLS", 2)
    worlds = []

    def forgetful(world):
        worlds.append(world)
        world.store.lines = past.SpilledLines()

        def forget():
            past.forget(world)
            world.loop.call_later(10.0, forget)

        world.loop.call_later(10.0, forget)

    plan = Plan(seed=1, faults=(Fault(100.0, "restart", ""),), seconds=400)
    plain, forgetting = run(plan), run(plan, forgetful)
    account = worlds[0].exchange.account(KEY)
    assert forgetting.violations == plain.violations == ()
    assert (forgetting.orders, forgetting.fills, forgetting.lives) == (plain.orders, plain.fills, 2)
    assert len(account.executions) < plain.fills
    assert len(account.orders) < plain.orders
