"""Whether an engine is well enough to trade: readings against limits, and what follows from them.

Pure: times come in as monotonic seconds, readings as numbers; who measures is somebody else's business.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

Severity = Literal["DEGRADED", "REDUCING", "HALTED"]
"""Told, no new risk, or a halt: each includes the ones before it."""

_RANK: Final[dict[str, int]] = {"": 0, "DEGRADED": 1, "REDUCING": 2, "HALTED": 3}


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """From which value on a reading is how bad; None: never. `low` limits are broken from below (free space)."""

    code: str
    unit: str
    degraded: float | None = None
    reducing: float | None = None
    halted: float | None = None
    low: bool = False

    def judge(self, value: float) -> tuple[Severity, float] | None:
        """The worst severity that the value reaches, and the limit that it reached.

        >>> Limit(code="DISK_FULL", unit="MB", reducing=500.0, halted=50.0, low=True).judge(400.0)
        ('REDUCING', 500.0)
        """
        steps: tuple[tuple[Severity, float | None], ...] = (
            ("HALTED", self.halted), ("REDUCING", self.reducing), ("DEGRADED", self.degraded),
        )  # fmt: skip
        for severity, limit in steps:
            if limit is not None and (value <= limit if self.low else value >= limit):
                return severity, limit
        return None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A reading beyond a limit."""

    code: str
    severity: Severity
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        return f"{self.code}: {self.value:.6g} {self.unit}, limit {self.limit:.6g} {self.unit}"


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the readings changed: `over` have passed, `worse` came or took the place of one of them."""

    worse: tuple[Finding, ...] = ()
    over: tuple[Finding, ...] = ()


class Health:
    """The findings that stand. One that is over stands on until it has not been seen for `recover_after_s`.

    >>> health = Health([Limit(code="CLOCK_OFFSET", unit="s", reducing=1.0)], recover_after_s=5)
    >>> [finding.severity for finding in health.look({"CLOCK_OFFSET": 2.5}, now_s=0).worse]
    ['REDUCING']
    >>> health.look({"CLOCK_OFFSET": 0.1}, now_s=4).over, health.severity
    ((), 'REDUCING')
    >>> [finding.code for finding in health.look({"CLOCK_OFFSET": 0.1}, now_s=6).over], health.severity
    (['CLOCK_OFFSET'], '')
    """

    def __init__(self, limits: Iterable[Limit], *, recover_after_s: float) -> None:
        self.judge_by(limits, recover_after_s=recover_after_s)
        self._seen: dict[str, dict[Severity, tuple[Finding, float]]] = {}
        self._standing: dict[str, Finding] = {}
        self.readings: dict[str, float] = {}

    def judge_by(self, limits: Iterable[Limit], *, recover_after_s: float) -> None:
        """Other limits from the next look on; what stands, stands on."""
        self._limits = {limit.code: limit for limit in limits}
        self._recover_after_s = recover_after_s

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._standing.values())

    @property
    def severity(self) -> Severity | Literal[""]:
        """The worst that stands."""
        return max((finding.severity for finding in self.findings), key=_RANK.__getitem__, default="")

    def look(self, readings: Mapping[str, float], now_s: float) -> Changes:
        """Take in readings by code; a code that is missing keeps what it had."""
        self.readings.update(readings)
        before = {code: self._standing.get(code) for code in readings}
        for code, value in readings.items():
            self._take(code, self._find(code, value), now_s)
        after = {code: self._standing.get(code) for code in readings}
        pairs = [(before[code], after[code]) for code in readings]
        return Changes(
            worse=tuple(new for old, new in pairs if new is not None and _rank(new) != _rank(old)),
            over=tuple(old for old, new in pairs if old is not None and _rank(new) < _rank(old)),
        )

    def _take(self, code: str, found: Finding | None, now_s: float) -> None:
        """The heaviest of what was seen within the recovery time stands."""
        seen = self._seen.setdefault(code, {})
        if found is not None:
            seen[found.severity] = (found, now_s)
        for finding, at_s in tuple(seen.values()):
            if finding is not found and now_s - at_s >= self._recover_after_s:
                del seen[finding.severity]
        if seen:
            self._standing[code] = max((finding for finding, _ in seen.values()), key=_rank)
        else:
            self._standing.pop(code, None)

    def _find(self, code: str, value: float) -> Finding | None:
        limit = self._limits.get(code)
        judged = None if limit is None else limit.judge(value)
        if limit is None or judged is None:
            return None
        return Finding(code=code, severity=judged[0], value=value, limit=judged[1], unit=limit.unit)


def _rank(finding: Finding | None) -> int:
    return 0 if finding is None else _RANK[finding.severity]


def clock_offset_s(asked_ns: int, answered_ns: int, told_ns: int, resolution_ns: int) -> float:
    """By how many seconds our clock certainly differs from the exchange's; negative: ours is behind.

    The exchange named `told_ns`, cut to its resolution, some time between question and answer: as long as
    one moment fits both clocks, nothing is certain and the offset is 0.

    >>> clock_offset_s(10_000_000_000, 10_200_000_000, 9_000_000_000, 1_000_000_000)
    0.0
    >>> clock_offset_s(10_000_000_000, 10_200_000_000, 13_000_000_000, 1_000_000_000)
    -2.8
    """
    earliest, latest = told_ns, told_ns + resolution_ns
    if answered_ns < earliest:
        return (answered_ns - earliest) / 1e9
    return max(0, asked_ns - latest) / 1e9
