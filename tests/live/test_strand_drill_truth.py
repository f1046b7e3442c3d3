"""The comparison that the drill ends with: a desk in order shows nothing, and everything planted is found."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gal_friday_live.strand_drill.strikes import schedule
from gal_friday_live.strand_drill.truth import (
    DIFFERS,
    DOUBLED,
    LOST,
    Command,
    Decision,
    Evidence,
    Intent,
    Plan,
    count,
    findings,
)

PLAN = Plan(strand_id="p1", signal_id="s1")
REFUSED = Plan(strand_id="p2", signal_id="s2")
EXPIRED = Plan(strand_id="p3", signal_id="s3", given_up="error:expired")
APPROVAL = Decision(strand_id="d1", plan_id="p1", approved=True)
REFUSAL = Decision(strand_id="d2", plan_id="p2", approved=False)
COMMAND = Command(strand_id="c1", plan_id="p1", signal_id="s1")
INTENT = Intent(client_order_id="o1", signal_id="s1")
EXIT = Intent(client_order_id="o2", signal_id="")
BOOKS = ("alpha", "decision", "trader")
SOUND = Evidence(
    plans=(PLAN, REFUSED, EXPIRED),
    decisions=(APPROVAL, REFUSAL),
    commands=(COMMAND,),
    intents=(INTENT, EXIT),
    ordered=("o1", "o2", ""),
    filled=("f1", "f2"),
    booked=dict.fromkeys(BOOKS, ("f1", "f2")),
    held={"exchange": {"BTC": Decimal("1.50")}, "trader": {"BTC": Decimal("1.5")}},
)


def found(**changed):
    return findings(replace(SOUND, **changed))


def test_a_desk_in_order_shows_nothing():
    assert findings(SOUND) == []


@pytest.mark.parametrize(
    ("kind", "what", "changed"),
    [
        (LOST, "a plan without a decision", {"decisions": (APPROVAL,)}),
        (LOST, "a plan that nobody handled", {"plans": (*SOUND.plans, Plan(strand_id="p4", signal_id="s4", waits=True))}),
        (LOST, "an approved plan that never went to the trader", {"commands": ()}),
        (LOST, "a command that nobody handled", {"commands": (replace(COMMAND, waits=True),)}),
        (LOST, "a command without an order or a word why", {"intents": (EXIT,), "ordered": ("o2",)}),
        (LOST, "a fill that decision did not book", {"booked": {**SOUND.booked, "decision": ("f1",)}}),
        (DOUBLED, "2 decisions about a plan", {"decisions": (APPROVAL, replace(APPROVAL, strand_id="d3"), REFUSAL)}),
        (DOUBLED, "2 commands of a plan", {"commands": (COMMAND, replace(COMMAND, strand_id="c2"))}),
        (DOUBLED, "2 orders of a signal", {"intents": (INTENT, EXIT, replace(INTENT, client_order_id="o3"))}),
        (DOUBLED, "2 orders of one name at the exchange", {"ordered": ("o1", "o1")}),
        (DOUBLED, "a fill that trader booked 2 times", {"booked": {"trader": ("f1", "f2", "f2")}}),
        (DIFFERS, "a decision about no plan", {"plans": (PLAN, EXPIRED)}),
        (DIFFERS, "a command without an approval", {"decisions": (replace(APPROVAL, approved=False), REFUSAL)}),
        (DIFFERS, "a command given up and carried out", {"commands": (replace(COMMAND, given_up="error:expired"),)}),
        (DIFFERS, "an order at the exchange that nobody intended", {"ordered": ("o1", "stray")}),
        (DIFFERS, "a fill that alpha booked and the exchange lacks", {"filled": ("f1",), "booked": {"alpha": ("f1", "f2")}}),
        (DIFFERS, "what is held of BTC: exchange 1, alpha 0", {"held": {"exchange": {"BTC": Decimal(1)}, "alpha": {}}}),
    ],
)  # fmt: skip
def test_what_is_planted_is_found_and_nothing_else(kind, what, changed):
    (one,) = found(**changed)
    assert (one.kind, one.what) == (kind, what)


def test_a_command_that_the_trader_answered_without_an_order_is_no_loss():
    assert found(intents=(EXIT,), ordered=("o2",), answered=frozenset({"s1"})) == []


def test_a_command_past_its_deadline_needs_no_order():
    late = replace(COMMAND, given_up="error:expired")
    assert found(commands=(late,), intents=(EXIT,), ordered=("o2",)) == []


def test_findings_are_counted_by_kind():
    several = found(commands=(), booked={"trader": ("f1", "f1", "f2")})
    assert [count(several, kind) for kind in (LOST, DOUBLED, DIFFERS)] == [1, 1, 0]


def test_every_role_is_struck_as_often_as_asked_and_the_schedule_repeats_itself():
    roles = ("alpha", "decision", "trader")
    strikes = schedule(roles, kills=3, disconnects=1, restarts=1, seed=7)
    blows = [(one.blow, one.target) for one in strikes]
    assert all(blows.count(("kill", role)) == 3 and blows.count(("disconnect", role)) == 1 for role in roles)
    assert blows.count(("restart", "database")) == 1
    assert len(blows) == 13
    assert strikes == schedule(roles, kills=3, disconnects=1, restarts=1, seed=7)
    assert strikes != schedule(roles, kills=3, disconnects=1, restarts=1, seed=8)


def test_no_role_is_killed_again_before_the_others_were():
    kills = [
        one.target
        for one in schedule(("a", "b"), kills=4, disconnects=2, restarts=2, seed=3)
        if one.blow == "kill"
    ]
    assert kills == ["a", "b"] * 4
