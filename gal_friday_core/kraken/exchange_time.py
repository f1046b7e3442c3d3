"""What Kraken's clock certainly shows beyond ours, proved by the stamps on its own answers.

An answer was stamped after it was asked for and before it was heard. Between those bounds nothing is known: a clock is
taken to be right until it cannot be. Times are UTC nanoseconds, ours by the engine's clock.
"""

from collections.abc import Callable

DRIFT = 150
"""What was proved fades by a part of the time since: our clock follows the machine's by a two-hundredth at most."""
WAITING = 64
"""Requests whose answer may still come; more of them were lost."""


class ExchangeTime:
    """`asked` when a request's bytes are handed over, `answered` with what the answer says; then `ahead_ns`.

    >>> clock = iter([1_000, 1_090, 1_090, 11_090, 20_010, 20_010])
    >>> time = ExchangeTime(lambda: next(clock))
    >>> time.asked(1)
    >>> time.answered(1, time_in=5_040, time_out=5_050)  # it is between 3,960 and 4,040 ahead
    >>> time.ahead_ns(), time.ahead_ns()
    (3960, 3894)
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._asked: dict[int, int] = {}
        self._least: tuple[int, int] | None = None
        self._most: tuple[int, int] | None = None

    def asked(self, number: int) -> None:
        if len(self._asked) >= WAITING:
            self._asked.clear()
        self._asked[number] = self._now_ns()

    def answered(self, number: int | None, time_in: int | None, time_out: int | None) -> None:
        """`time_in` and `time_out`: when Kraken says that the request came and the answer left."""
        now_ns = self._now_ns()
        asked_ns = None if number is None else self._asked.pop(number, None)
        if time_out is not None:
            least, known = int(time_out) - now_ns, self._at_least(now_ns)
            if known is None or least > known:
                self._least = least, now_ns
        if time_in is not None and asked_ns is not None:
            most, known = int(time_in) - asked_ns, self._at_most(now_ns)
            if known is None or most < known:
                self._most = most, now_ns

    def ahead_ns(self) -> int:
        """To be added to a time of ours for it to be one of Kraken's; 0 where ours may be right."""
        now_ns = self._now_ns()
        least, most = self._at_least(now_ns), self._at_most(now_ns)
        if least is not None and least > 0:
            return least
        return most if most is not None and most < 0 else 0

    def _at_least(self, now_ns: int) -> int | None:
        return None if self._least is None else self._least[0] - _faded(now_ns - self._least[1])

    def _at_most(self, now_ns: int) -> int | None:
        return None if self._most is None else self._most[0] + _faded(now_ns - self._most[1])


def _faded(age_ns: int) -> int:
    return max(age_ns, 0) // DRIFT
