"""The table of what may happen to an order: every pair is named, and nothing comes back from an end."""

import pytest

from gal_friday_core.order_machine import ENDED, EVENT_OF, STEPS, OrderEvent, Verdict, step
from gal_friday_core.orders import TRANSITIONS

PAIRS = [(state, event, filled) for state in TRANSITIONS for event in OrderEvent for filled in (False, True)]


def test_every_pair_of_state_and_event_is_named():
    assert set(STEPS) == set(PAIRS)


def test_every_state_has_the_event_of_its_report():
    assert set(EVENT_OF) == set(TRANSITIONS)


@pytest.mark.parametrize(("state", "event", "filled"), PAIRS)
def test_a_move_is_one_of_the_transitions_and_anything_else_leaves_the_state(state, event, filled):
    after, verdict = step(state, event, filled=filled)
    if verdict is Verdict.MOVED:
        assert after in TRANSITIONS[state]
        assert after != state
    else:
        assert after == state


@pytest.mark.parametrize("state", sorted(TRANSITIONS))
def test_every_transition_is_reached_by_some_event(state):
    reached = {
        step(state, event, filled=filled).state
        for event in OrderEvent
        for filled in (False, True)
        if step(state, event, filled=filled).verdict is Verdict.MOVED
    }
    assert reached == TRANSITIONS[state] - {state}


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize("event", [OrderEvent.PART_FILLED, OrderEvent.ALL_FILLED])
def test_a_fill_after_the_end_is_a_fact_and_moves_nothing(state, event):
    after, verdict = step(state, event, filled=True)
    assert after == state
    assert verdict is (Verdict.CONTRADICTION if state in ("REJECTED", "ERROR") else Verdict.LATE)


@pytest.mark.parametrize("state", sorted(set(TRANSITIONS) - ENDED))
@pytest.mark.parametrize("event", [OrderEvent.PART_FILLED, OrderEvent.ALL_FILLED, OrderEvent.CANCELED])
def test_no_open_order_ignores_a_fill_or_its_end(state, event):
    after, verdict = step(state, event, filled=True)
    assert verdict in (Verdict.MOVED, Verdict.SAME)
    if event is OrderEvent.ALL_FILLED:
        assert after == "FILLED"


def test_a_refused_cancel_leaves_the_order_as_it_rested():
    assert step("PENDING_CANCEL", OrderEvent.CANCEL_REFUSED, filled=False).state == "NEW"
    assert step("PENDING_CANCEL", OrderEvent.CANCEL_REFUSED, filled=True).state == "PARTIALLY_FILLED"


def test_a_fill_while_a_cancel_is_on_its_way_does_not_forget_the_cancel():
    assert step("PENDING_CANCEL", OrderEvent.PART_FILLED, filled=True).state == "PENDING_CANCEL"


def test_an_order_that_was_given_up_and_lives_is_told():
    assert step("EXPIRED", OrderEvent.ACCEPTED, filled=False).verdict is Verdict.ILLEGAL
