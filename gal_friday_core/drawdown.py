"""Losses since the highest equity of the running day, of the week, and of all time.

Days turn at 00:00 UTC, weeks on Monday; a period begins with the equity carried into it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self

import msgspec

from gal_friday_core.money import ZERO, ratio
from gal_friday_core.times import DAY_NS

_WEEK_NS = 7 * DAY_NS
_TO_MONDAY_NS = 3 * DAY_NS  # 1970-01-01 was a Thursday
_ALL = Decimal(1)
_NAMES = ("daily", "weekly", "total")
_LENGTHS = (DAY_NS, _WEEK_NS, None)


class Peak(msgspec.Struct, frozen=True, gc=False):
    """The highest equity of the running period; `length_ns` None means of all time."""

    length_ns: int | None
    period: int
    equity: Decimal

    def seen(self, ts_ns: int, before: Decimal, now: Decimal) -> "Peak":
        """The peak after equity went from `before` to `now` at `ts_ns`; time never runs back here."""
        period = self._period(ts_ns)
        if period <= self.period and now <= self.equity:
            return self
        carried = before if period > self.period else self.equity
        return Peak(self.length_ns, max(period, self.period), max(carried, now))

    def drawdown(self, equity: Decimal) -> Decimal:
        """Fraction lost since the peak: 0 at it, 1 or more where nothing is left."""
        if self.equity <= equity:
            return ZERO
        return ratio(self.equity - equity, self.equity) if self.equity > ZERO else _ALL

    def lost(self, ts_ns: int, equity: Decimal) -> Decimal:
        """The drawdown as of this time: none where a new period begins with this equity."""
        if self.equity <= equity or self._period(ts_ns) > self.period:
            return ZERO
        return self.drawdown(equity)

    def _period(self, ts_ns: int) -> int:
        if self.length_ns is None:
            return 0
        return (ts_ns + (_TO_MONDAY_NS if self.length_ns == _WEEK_NS else 0)) // self.length_ns


class Peaks:
    """The three peaks of one account: of the `day`, which ends at `day_ends`, of the `week`, and of all time."""

    __slots__ = ("day", "day_ends", "ever", "week")

    def __init__(self, started_ns: int, equity: Decimal) -> None:
        self.day, self.week, self.ever = (
            Peak(length, 0, equity).seen(started_ns, equity, equity) for length in _LENGTHS
        )
        self.day_ends = (self.day.period + 1) * DAY_NS

    @classmethod
    def of(cls, day: Peak, week: Peak, ever: Peak) -> Self:
        """Peaks that were kept elsewhere."""
        peaks = cls.__new__(cls)
        peaks.day, peaks.week, peaks.ever = day, week, ever
        peaks.day_ends = (day.period + 1) * DAY_NS
        return peaks

    @property
    def each(self) -> tuple[Peak, Peak, Peak]:
        """Of the day, of the week, of all time."""
        return self.day, self.week, self.ever

    def observe(self, ts_ns: int, before: Decimal, now: Decimal) -> None:
        """Equity went from `before` to `now`. Most bars bring neither a new period nor a new peak."""
        turned = ts_ns >= self.day_ends  # no week turns without a day
        if turned or now > self.day.equity:
            self.day = self.day.seen(ts_ns, before, now)
            self.day_ends = (self.day.period + 1) * DAY_NS
        if turned or now > self.week.equity:
            self.week = self.week.seen(ts_ns, before, now)
        if now > self.ever.equity:
            self.ever = self.ever.seen(ts_ns, before, now)

    def scale(self, before: Decimal, now: Decimal) -> None:
        """Money came or went: the peaks move in proportion, so that no drawdown changes by it."""
        self.day, self.week, self.ever = (
            Peak(peak.length_ns, peak.period, ratio(peak.equity * now, before) if before > 0 else now)
            for peak in self.each
        )

    def lost(self, ts_ns: int, equity: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Fractions lost since the peak of the day, of the week and of all time, as of this time; changes nothing."""
        day, week, ever = self.day, self.week, self.ever
        if ts_ns < self.day_ends:
            return day.drawdown(equity), week.drawdown(equity), ever.drawdown(equity)
        return day.lost(ts_ns, equity), week.lost(ts_ns, equity), ever.drawdown(equity)

    def total(self, equity: Decimal) -> Decimal:
        """Fraction lost since the highest equity ever; no shorter period has lost more."""
        return self.ever.drawdown(equity)

    def as_record(self) -> dict[str, list[Any]]:
        """Period number and equity of each, for the journal."""
        return {name: [peak.period, peak.equity] for name, peak in zip(_NAMES, self.each, strict=True)}

    @classmethod
    def from_record(cls, record: Mapping[str, list[Any]]) -> Self:
        """What `as_record` said, read back from JSON."""
        day, week, ever = (
            Peak(length, int(record[name][0]), Decimal(record[name][1]))
            for name, length in zip(_NAMES, _LENGTHS, strict=True)
        )
        return cls.of(day, week, ever)
