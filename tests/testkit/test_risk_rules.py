"""A risk rule can only tighten: the check holds it to that, and the test kit finds one that tries."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gal_friday_core.errors import ContractError
from gal_friday_core.risk.check import check
from gal_friday_core.risk.codes import Approved, Rejected
from gal_friday_core.risk.rules import Forbidden, NamedRule
from gal_friday_testkit import BrokenPromiseError, check_risk_rule
from tests.core.test_risk import desk
from tests.core.trading import signal


class Answers:
    """A rule that answers what it is told to."""

    def __init__(self, answer):
        self._answer = answer

    def allows(self, wish, desk):
        return self._answer(wish, desk) if callable(self._answer) else self._answer


def ruled(*answers):
    rules = tuple(NamedRule(f"rule-{number}", Answers(answer)) for number, answer in enumerate(answers))
    return check(signal(), desk(rules=rules))


def approved(found) -> Approved:
    assert isinstance(found, Approved), found
    return found


PLAIN = approved(check(signal(), desk()))
HALF = Decimal("6.900")


def test_a_rule_that_lets_all_pass_changes_nothing():
    assert ruled(lambda wish, _: wish.quantity) == PLAIN


def test_more_than_was_wished_is_never_bought():
    assert ruled(lambda wish, _: wish.quantity * 10) == PLAIN


def test_less_is_bought_and_reserved_on_the_lot_and_the_number_is_told():
    found = approved(ruled(HALF + Decimal("0.00049")))
    assert found.quantity == HALF
    assert found.reservation == replace(PLAIN.reservation, quantity=HALF)
    assert found.checks == {**PLAIN.checks, "rule_rule_0": str(HALF)}


def test_rules_are_asked_in_turn_about_what_those_before_left():
    asked = []
    approved(ruled(HALF, lambda wish, _: asked.append(wish.quantity) or wish.quantity))
    assert asked == [HALF]


def test_a_refusal_names_the_rule_and_why():
    found = ruled(Forbidden("too late in the day", limit="22", value="23"))
    assert found == Rejected(
        "RULE_RULE_0", {"rule": "rule-0", "reason": "too late in the day", "limit": "22", "value": "23"}
    )


@pytest.mark.parametrize("left", [Decimal(0), Decimal(-5), Decimal("0.0001")])
def test_what_is_left_must_be_an_order(left):
    found = ruled(left)
    assert isinstance(found, Rejected)
    assert (found.code, found.details["reason"]) == ("RULE_RULE_0", "what it leaves is too small")


@pytest.mark.parametrize("answer", [None, 1.5, "all", Decimal("NaN"), Decimal("Infinity")])
def test_another_answer_stops_the_line(answer):
    with pytest.raises(ContractError, match="risk rule rule-0 answered"):
        ruled(answer)


def test_a_rule_is_asked_neither_about_sells_nor_about_what_is_refused_already():
    never = (NamedRule("never", Answers(lambda *_: pytest.fail("asked"))),)
    assert isinstance(check(signal(), desk(rules=never, trading="HALTED")), Rejected)
    assert isinstance(check(signal(side="SELL"), desk(rules=never)), Rejected)


def counts():
    asked = [0]

    def answer(wish, _):
        asked[0] += 1
        return wish.quantity / asked[0]

    return Answers(answer)


def spends(wish, desk):
    desk.conduct.bought("m@v1")
    return wish.quantity


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda: Answers(lambda wish, _: wish.quantity * 2), "no more is allowed than was wished"),
        (lambda: Answers(Decimal(-1)), "no less than nothing"),
        (lambda: Answers(Forbidden("")), "a refusal says why"),
        (lambda: Answers(0), "an answer is a Decimal"),
        (counts, "the same question gets the same answer"),
        (lambda: Answers(spends), "a rule changes nothing of what it is shown"),
    ],
)
def test_a_rule_that_breaks_a_promise_is_found(rule, says):
    with pytest.raises(BrokenPromiseError, match=says):
        check_risk_rule(rule)


def test_a_rule_that_keeps_its_promises_passes():
    check_risk_rule(lambda: Answers(lambda wish, desk: min(wish.quantity, Decimal("0.01"))))
