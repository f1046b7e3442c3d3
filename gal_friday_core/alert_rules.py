"""Which conditions of an engine somebody is told of, how soon, and when they are over.

Pure: conditions come in as they stand, times as monotonic seconds. Entry points: `Condition`, `Standing`, `halted`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from gal_friday_core.alerts import Alert, AlertSeverity


class Rule(msgspec.Struct, frozen=True):
    """A condition is told once it has stood for `patience_s`: what heals by itself sooner wakes nobody."""

    severity: AlertSeverity
    patience_s: float
    title: str


RULES: Final[dict[str, Rule]] = {
    "UNPROTECTED": Rule("page", 5, "A position has no stop"),
    "LEASE_LOST": Rule("page", 10, "The account's lease is lost"),
    "HALT_NOT_DURABLE": Rule("page", 5, "A halt is not written anywhere"),
    "ORDER_UNKNOWN": Rule("page", 120, "Nobody knows what became of an order"),
    "RECONCILING": Rule("warning", 120, "The account is not reconciled"),
    "EXCHANGE_DISCONNECTED": Rule("warning", 30, "The account's line is down"),
    "MARKET_LINE_DOWN": Rule("warning", 30, "The market's line is down"),
    "FEED_STALE": Rule("warning", 60, "A market cannot be used"),
    "MARKET_DATA_SILENT": Rule("warning", 0, "No bar has come for too long"),
    "CLOCK_OFFSET": Rule("warning", 5, "This clock and the exchange's differ"),
    "CLOCK_UNKNOWN": Rule("warning", 120, "The exchange has not told its time"),
    "MODEL_RESTRICTED": Rule("warning", 0, "Drift restricts a model"),
    "STORAGE_DOWN": Rule("warning", 2, "The database does not answer"),
    "DISK_FULL": Rule("warning", 0, "The disk fills up"),
    "MEMORY": Rule("warning", 0, "The engine holds too much memory"),
    "LOOP_LAG": Rule("warning", 30, "The engine answers late"),
    "ENGINE_GONE": Rule("page", 10, "The engine is gone"),
    "ENGINE_SILENT": Rule("page", 30, "The engine does not answer"),
}
"""By code. Halts are told at once, whatever their code; what is not listed is told by its consequences only."""

BY_HAND: Final = "MANUAL"
"""How the reason of a halt begins that somebody asked for."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands: `about` is the pair, or empty for the whole engine."""

    code: str
    why: str
    about: str = ""


class Standing:
    """What stands since when, and who was told. One that comes and goes is told again only after its patience.

    >>> standing = Standing("paper")
    >>> line = Condition(code="MARKET_LINE_DOWN", why="not connected")
    >>> [len(standing.look([line], now_s)) for now_s in (0, 29, 30, 31)]
    [0, 0, 1, 0]
    >>> [str(alert) for alert in standing.look([], 45)]
    ["Warning: [paper] The market's line is down: over"]
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._since: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], str] = {}

    def look(self, conditions: Iterable[Condition], now_s: float) -> list[Alert]:
        """Alerts of what has stood long enough now, and of what was told and is over."""
        now = {
            (condition.code, condition.about): condition
            for condition in conditions
            if condition.code in RULES
        }
        self._since = {one: self._since.get(one, now_s) for one in now}
        over = [one for one in self._told if one not in now]
        found = [self._over(*one, self._told.pop(one)) for one in over]
        for one, condition in now.items():
            if one not in self._told and now_s - self._since[one] >= RULES[condition.code].patience_s:
                self._told[one] = condition.why
                found.append(self._begun(condition))
        return found

    def _begun(self, condition: Condition) -> Alert:
        rule = RULES[condition.code]
        return Alert(
            code=condition.code, severity=rule.severity, text=f"{condition.code}: {condition.why}",
            title=self._title(condition.code, condition.about), key=self._key(condition.code, condition.about),
        )  # fmt: skip

    def _over(self, code: str, about: str, why: str) -> Alert:
        """As bad as what it ends, and of the same key: who was told of the one hears of the other, and of the last in
        the end where it comes and goes.
        """
        return Alert(
            code=code, severity=RULES[code].severity, text=f"it was: {why}",
            title=f"{self._title(code, about)}: over", key=self._key(code, about),
        )  # fmt: skip

    def _title(self, code: str, about: str) -> str:
        return f"[{self._engine}] {RULES[code].title}{f': {about}' if about else ''}"

    def _key(self, code: str, about: str) -> str:
        return f"{self._engine}:{code}:{about}"


def halted(engine: str, reason: str, standing: Iterable[Condition]) -> Alert:
    """Trading has halted: a page, unless somebody asked for it, who knows. `standing` is what else was wrong then.

    >>> print(halted("live", "DISK_FULL", [Condition(code="DISK_FULL", why="100 MB, limit 128 MB")]).text)
    DISK_FULL
    DISK_FULL: 100 MB, limit 128 MB
    No entries until `gal-friday resume`; stops stay, exits go out.
    """
    code = reason.split(":", 1)[0].strip()
    by_hand = code.startswith(BY_HAND)
    also = [f"{one.code}{f' {one.about}' if one.about else ''}: {one.why}" for one in standing]
    return Alert(
        code="HALTED",
        severity="warning" if by_hand else "page",
        title=f"[{engine}] Trading halted: {code}",
        text="\n".join([reason, *also, "No entries until `gal-friday resume`; stops stay, exits go out."]),
        key=f"{engine}:HALTED:{code}",
    )
