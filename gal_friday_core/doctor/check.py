"""One finding about an installation: what was looked at, what was found, and what to do about it."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

Level = Literal["ok", "warning", "failure"]
"""As it should be; worth a look, or not to be found out; it stops the work or puts money at risk."""
LEVELS: Final[tuple[Level, ...]] = ("ok", "warning", "failure")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`fix` says what to do, and is empty where nothing is to be done.

    >>> Check(name="disk", level="warning", detail="2 GB free", fix="Free space.").ok
    False
    """

    name: str
    level: Level
    detail: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        return self.level == "ok"

    def told(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.name, "ok": self.ok, "level": self.level, "detail": self.detail, "fix": self.fix,
        }  # fmt: skip


def fine(name: str, detail: str) -> Check:
    """Nothing is wrong, or there is nothing to look at; `detail` says which."""
    return Check(name=name, level="ok", detail=detail)


def doubtful(name: str, detail: str, fix: str) -> Check:
    """Worth a look, or it could not be found out."""
    return Check(name=name, level="warning", detail=detail, fix=fix)


def broken(name: str, detail: str, fix: str) -> Check:
    """Something does not work, or money is at risk."""
    return Check(name=name, level="failure", detail=detail, fix=fix)


def worst(checks: Iterable[Check]) -> Level:
    """The worst level of all; ok where there are none.

    >>> worst([fine("a", ""), broken("b", "", ""), doubtful("c", "", "")])
    'failure'
    """
    return max((check.level for check in checks), key=LEVELS.index, default="ok")


def joined(name: str, found: Iterable[Check], otherwise: str) -> Check:
    """Many findings of one kind as one check: the worst level, all details, each fix once.

    >>> joined("locks", [doubtful("", "one", "Do this."), broken("", "two", "Do this.")], "none").detail
    'one; two'
    >>> joined("locks", [], "none held").detail
    'none held'
    """
    bad = [check for check in found if not check.ok]
    if not bad:
        return fine(name, otherwise)
    return Check(
        name=name,
        level=worst(bad),
        detail="; ".join(check.detail for check in bad),
        fix=" ".join(dict.fromkeys(check.fix for check in bad if check.fix)),
    )
