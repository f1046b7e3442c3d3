"""What must hold before a halted engine trades again: named checks, and what each of them says."""

from collections.abc import Sequence
from typing import Final

import msgspec

CHECKS: Final = (
    "RECONCILIATION_CLEAN",
    "LINES_UP",
    "BOOKS_VERIFIED",
    "CLOCK",
    "STORAGE",
    "NO_UNKNOWN_ORDERS",
    "POSITIONS_PROTECTED",
    "LEASE_HELD",
)
"""The recovery checklist of an engine that trades at an exchange."""


class Check(msgspec.Struct, frozen=True):
    """One line of the checklist; `problem` is empty where it holds."""

    name: str
    problem: str = ""

    @property
    def holds(self) -> bool:
        return not self.problem


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the wish to trade again; `refusal` is a code, empty where the engine trades."""

    refusal: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def resumed(self) -> bool:
        return not self.refusal

    @property
    def problems(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.holds)


def refusal(reason: str, who: str, checks: Sequence[Check]) -> str:
    """Why trading may not resume: REASON_MISSING, WHO_MISSING, CHECKLIST_NOT_CLEAN, or nothing.

    >>> refusal("database is back", "ada", [Check("STORAGE"), Check("CLOCK", "0.9 s off")])
    'CHECKLIST_NOT_CLEAN'
    >>> refusal("database is back", "ada", [Check("STORAGE")])
    ''
    """
    if not reason.strip():
        return "REASON_MISSING"
    if not who.strip():
        return "WHO_MISSING"
    return "" if all(check.holds for check in checks) else "CHECKLIST_NOT_CLEAN"
