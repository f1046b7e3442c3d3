"""When a halted engine may trade again."""

import pytest

from gal_friday_core.recovery import CHECKS, Check, Resumption, refusal

CLEAN = [Check(name) for name in CHECKS]


@pytest.mark.parametrize(
    ("reason", "who", "checks", "expected"),
    [
        ("", "ada", CLEAN, "REASON_MISSING"),
        (" \n", "ada", CLEAN, "REASON_MISSING"),
        ("database is back", " ", CLEAN, "WHO_MISSING"),
        ("database is back", "ada", [*CLEAN, Check("CLOCK", "2 s off")], "CHECKLIST_NOT_CLEAN"),
        ("database is back", "ada", CLEAN, ""),
    ],
)
def test_a_reason_a_name_and_a_clean_checklist_are_asked_for(reason, who, checks, expected):
    assert refusal(reason, who, checks) == expected


def test_a_refusal_says_which_checks_do_not_hold():
    wrong = Check("STORAGE", "no answer within 15 s")
    outcome = Resumption(refusal="CHECKLIST_NOT_CLEAN", checks=(*CLEAN, wrong))
    assert (outcome.resumed, outcome.problems) == (False, (wrong,))
