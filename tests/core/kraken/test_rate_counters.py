from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.kraken.rate_counters import EngineCounters, PublicPace, RestCounter, points
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import ENGINE_LIMITS, EngineLimiter, RestLimiter, age_points

TIERS = st.sampled_from(["starter", "intermediate", "pro"])
METHODS = st.sampled_from(["Balance", "TradesHistory", "Ledgers", "OpenOrders", "CancelOrder"])
PAUSES = st.integers(0, 3 * SECOND_NS)


@given(TIERS, st.lists(st.tuples(METHODS, PAUSES), max_size=60))
def test_whoever_waits_as_told_never_hits_the_rest_limit(tier, calls):
    ours, theirs, now_ns = RestCounter(tier), RestLimiter(tier), 0
    for method, pause_ns in calls:
        now_ns += pause_ns + ours.wait_ns(method, now_ns + pause_ns)
        ours.charge(method, now_ns)
        assert theirs.admit(method, now_ns)


ACTIONS = st.tuples(
    st.sampled_from(["add", "amend", "cancel"]), st.integers(0, 400 * SECOND_NS), PAUSES, st.integers(1, 4)
)


@given(TIERS, st.lists(ACTIONS, max_size=60))
def test_whoever_waits_as_told_never_hits_the_engines_limit(tier, actions):
    ours, theirs, now_ns = EngineCounters(tier), EngineLimiter(tier), 0
    for action, age_ns, pause_ns, orders in actions:
        now_ns += pause_ns
        now_ns += ours.wait_ns("BTC/USD", action, now_ns, age_ns=age_ns, orders=orders)
        ours.charge("BTC/USD", action, now_ns, age_ns=age_ns, orders=orders)
        cost = orders * (age_points(action, age_ns) + (action != "cancel"))
        assert theirs.charge("BTC/USD", Decimal(cost), now_ns)


@given(TIERS, st.lists(st.integers(0, 2 * SECOND_NS), max_size=300))
def test_however_fast_orders_come_one_of_them_can_be_cancelled_at_once(tier, pauses):
    counters, now_ns = EngineCounters(tier), 0
    for pause_ns in pauses:
        now_ns += pause_ns
        fits, before = counters.wait_ns("BTC/USD", "add", now_ns) == 0, counters.read("BTC/USD", now_ns)
        assert counters.take("BTC/USD", now_ns) == fits
        assert counters.read("BTC/USD", now_ns) == before + fits
    assert counters.wait_ns("BTC/USD", "cancel", now_ns, age_ns=0) == 0


@given(TIERS, st.lists(ACTIONS, max_size=40), PAUSES, st.lists(ACTIONS, max_size=20))
def test_whoever_goes_on_after_a_restart_and_waits_as_told_never_hits_the_engines_limit(
    tier, before, down_ns, after
):
    ours, theirs, now_ns, asked = EngineCounters(tier), EngineLimiter(tier), 0, []
    for action, age_ns, pause_ns, _ in before:
        now_ns += pause_ns + ours.wait_ns("BTC/USD", action, now_ns + pause_ns, age_ns=age_ns)
        ours.charge("BTC/USD", action, now_ns, age_ns=age_ns)
        assert theirs.charge("BTC/USD", Decimal(points(action, age_ns)), now_ns)
        asked.append((now_ns, points(action, age_ns)))
    now_ns += down_ns
    ours = EngineCounters(tier)
    ours.resume("BTC/USD", [(now_ns - at_ns, cost) for at_ns, cost in asked], now_ns)
    for action, age_ns, pause_ns, _ in after:
        now_ns += pause_ns
        now_ns += ours.wait_ns("BTC/USD", action, now_ns, age_ns=age_ns)
        ours.charge("BTC/USD", action, now_ns, age_ns=age_ns)
        assert theirs.charge("BTC/USD", Decimal(points(action, age_ns)), now_ns)


def test_pairs_are_counted_apart():
    counters = EngineCounters("starter")
    counters.charge("BTC/USD", "add", 0, orders=60)
    assert not counters.take("BTC/USD", 0)
    assert counters.take("ETH/USD", 0)


def test_the_worked_example_of_the_guide():
    counters = EngineCounters("intermediate")
    counters.charge("BTC/USD", "add", 0, orders=50)
    assert counters.read("BTC/USD", 10 * SECOND_NS) == Decimal("26.60")


def test_only_a_counter_above_ours_is_believed():
    counters = EngineCounters("pro")
    counters.charge("BTC/USD", "add", 0, orders=10)
    counters.heard("BTC/USD", Decimal(3), 0)
    assert counters.read("BTC/USD", 0) == 10
    counters.heard("BTC/USD", Decimal(50), 0)
    assert counters.read("BTC/USD", 0) == 50


def test_after_the_exchange_refused_for_its_limit_nothing_is_sent_until_it_has_drained():
    counters = EngineCounters("starter")
    counters.exceeded("BTC/USD", 0)
    wait_ns = counters.wait_ns("BTC/USD", "cancel", 0)
    assert 8 * SECOND_NS <= wait_ns < 8.1 * SECOND_NS
    assert counters.wait_ns("BTC/USD", "cancel", wait_ns) == 0


def test_a_lower_threshold_than_configured_holds_with_what_was_counted():
    counters = EngineCounters("pro")
    counters.charge("BTC/USD", "add", 5 * SECOND_NS, orders=100)
    assert not counters.told_threshold(125, 5 * SECOND_NS)
    assert counters.limit.decay == ENGINE_LIMITS["intermediate"].decay
    assert counters.read("BTC/USD", 5 * SECOND_NS) == 100
    assert counters.read("BTC/USD", 15 * SECOND_NS) == Decimal("76.6")


@pytest.mark.parametrize(("told", "same"), [(60, True), (180, False)])
def test_a_threshold_at_or_above_the_configured_changes_nothing(told, same):
    counters = EngineCounters("starter")
    assert counters.told_threshold(told, 0) is same
    assert counters.limit == ENGINE_LIMITS["starter"]


def refusals_until_it_knows(tier, theirs_ahead):
    """A key of which somebody else has used more than is known: how often the exchange has to say so."""
    ours, theirs, now_ns, refused = RestCounter(tier), RestLimiter(tier), 0, 0
    for _ in range(theirs_ahead):
        theirs.admit("Balance", 0)
    for _ in range(40):
        now_ns += ours.wait_ns("Balance", now_ns)
        ours.charge("Balance", now_ns)
        if not theirs.admit("Balance", now_ns):
            refused += 1
            ours.exceeded(now_ns)
    return refused


@pytest.mark.parametrize("tier", ["starter", "intermediate", "pro"])
@pytest.mark.parametrize("theirs_ahead", [0, 5, 15, 20, 60])
def test_a_rest_limit_hit_by_somebody_else_is_waited_out_after_a_few_refusals(tier, theirs_ahead):
    assert refusals_until_it_knows(tier, theirs_ahead) <= 3


def test_what_was_learnt_of_a_refusal_is_forgotten_once_all_of_it_has_drained():
    counter = RestCounter("pro")
    counter.exceeded(0)
    first_ns = counter.wait_ns("Balance", 0)
    counter.exceeded(0)
    assert counter.wait_ns("Balance", 0) > first_ns
    counter.exceeded(100 * SECOND_NS)
    assert counter.wait_ns("Balance", 100 * SECOND_NS) == first_ns


def test_a_counter_goes_on_from_what_an_earlier_run_left():
    counter = RestCounter("pro")
    counter.resume(Decimal("18.5"), 0)
    assert counter.wait_ns("TradesHistory", 0) == 1.5 * SECOND_NS
    assert counter.read(SECOND_NS) == Decimal("17.5")


def test_public_calls_come_in_a_burst_and_then_one_a_second():
    pace, waits = PublicPace(), []
    for _ in range(8):
        waits.append(pace.wait_ns(0) // SECOND_NS)
        pace.charge(0)
    assert waits == [0, 0, 0, 0, 0, 1, 2, 3]
