"""Buy when a fast average of the closes crosses above a slow one; leave by a stop or a target at fixed distances.

The rule that backtesters are compared by, and the plainest strategy that needs no model. An average is the
exponential one, `a * close + (1 - a) * average` with `a = 2 / (span + 1)`, begun at the oldest close it knows.
It is *anchored* as the features are: at the first bar of each block of absolute time both averages are made anew
from the last closes, so that a stream which starts today crosses exactly where one crossed that started years ago.
"""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.compiled import compiled
from gal_friday_core.errors import DataError
from gal_friday_core.strategies.protection import on_ticks
from gal_friday_core.strategies.protocol import NEVER, Proposal, Situation
from gal_friday_core.strategies.settings import EmaCrossConfig
from gal_friday_core.times import to_iso

BLOCK = 512
"""Intervals in a block of the time grid, as of the features."""
LEAST_MEMORY = 512
SPANS_REMEMBERED = 16
"""Times the slow span: what is older weighs exp(-32), less than rounding."""

INTERVAL, LATEST, BOUNDARY, COUNT, WARM = range(5)  # of the clock, int64
FAST, SLOW = range(2)  # of the averages


class EmaCrossStrategy:
    """Long only, one position at a time. Neither a model nor the horizon of the barriers has a say."""

    def __init__(self, parameters: EmaCrossConfig) -> None:
        self._parameters = parameters
        self.id = "ema_cross"
        self.earliest_exit = NEVER  # by stop or target only
        self.rule = EmaCross(parameters.fast, parameters.slow)

    def is_likely_enough(self, probability: float, entry_threshold: float) -> bool:
        """No prediction makes it enter."""
        del probability, entry_threshold
        return False

    def candidates(self, probabilities: NDArray[np.float64], entry_threshold: float) -> NDArray[np.bool_]:
        del entry_threshold
        return np.zeros(len(probabilities), np.bool_)

    def decide(self, situation: Situation) -> Proposal | None:
        if situation.quantity > 0 or situation.entry_pending or situation.exit_pending:
            return None
        if not situation.rule_fires:
            return None
        asked, reference = self._parameters, situation.reference_price
        protection = on_ticks(
            reference, reference * (1 - asked.stop), reference * (1 + asked.target), situation.instrument
        )
        if protection is None:
            return None
        stop, target = protection
        return Proposal(side="BUY", reason="RULE_FIRED", stop=stop, target=target)


class EmaCross:
    """Where the average over `fast` bars rises above the one over `slow`. `reach` is how many bars, its own included,
    an answer depends on; before `slow` bars were seen there is none.
    """

    def __init__(self, fast: int, slow: int) -> None:
        self.fast, self.slow = fast, slow
        self.memory = max(LEAST_MEMORY, SPANS_REMEMBERED * slow)
        self.reach = self.memory + BLOCK

    def stream(self, interval_ns: int) -> "CrossStream":
        return CrossStream(self, interval_ns)


class CrossStream:
    """The rule over the bars of one series: each closed bar once, in order. One at a time or many, the same answers."""

    __slots__ = ("_averages", "_clock", "_closes", "_fires", "_ring", "_times", "_weights")

    def __init__(self, rule: EmaCross, interval_ns: int) -> None:
        self._ring = np.zeros(rule.memory)
        self._averages = np.zeros(2)
        self._weights = np.array([2 / (rule.fast + 1), 2 / (rule.slow + 1)])
        self._clock = np.array([interval_ns, np.iinfo(np.int64).min, np.iinfo(np.int64).min, 0, rule.slow])
        self._times, self._closes, self._fires = np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.bool_)

    @property
    def averages(self) -> tuple[float, float]:
        """The fast and the slow one after the newest bar; zero before the first."""
        return self._averages.item(FAST), self._averages.item(SLOW)

    def update(self, ts: int, close: float) -> bool:
        """Whether the rule fires at the close of the bar that opened at `ts` (ns UTC).

        Raises DataError for a bar that is not later than the last, or whose close is no positive number.
        """
        self._times[0], self._closes[0] = ts, close
        self._take(self._times, self._closes, self._fires)
        return bool(self._fires[0])

    def extend(self, candles: Candles) -> NDArray[np.bool_]:
        """`update` for each of these candles: (bars,). Raises DataError as `update` does."""
        fires = np.empty(len(candles), np.bool_)
        self._take(np.ascontiguousarray(candles.ts), np.ascontiguousarray(candles.close), fires)
        return fires

    def _take(self, ts: NDArray[np.int64], close: NDArray[np.float64], fires: NDArray[np.bool_]) -> None:
        taken = _run(self._clock, self._averages, self._weights, self._ring, ts, close, fires)
        if taken < len(ts):
            raise DataError(
                f"bar refused at {to_iso(int(ts[taken]))}: close {close[taken]}; bars come in time order, "
                "each once, with a positive close"
            )


@compiled
def _run(  # noqa: PLR0917 - compiled kernels take positions
    clock: NDArray[np.int64],
    averages: NDArray[np.float64],
    weights: NDArray[np.float64],
    ring: NDArray[np.float64],
    ts: NDArray[np.int64],
    close: NDArray[np.float64],
    fires: NDArray[np.bool_],
) -> int:
    """Take bars until one is refused; how many were taken."""
    block = BLOCK * clock[INTERVAL]
    latest, boundary, count, warm = clock[LATEST], clock[BOUNDARY], clock[COUNT], clock[WARM]
    memory = len(ring)
    slot = count % memory
    fast, slow, of_fast, of_slow = averages[FAST], averages[SLOW], weights[FAST], weights[SLOW]
    taken = 0
    for row in range(len(ts)):
        price = close[row]
        if ts[row] <= latest or not 0.0 < price < np.inf:
            break
        latest = ts[row]
        if count == 0:
            fast = slow = price
        if latest >= boundary:
            boundary = (latest // block + 1) * block
            known = min(count, memory)
            if known:
                fast = slow = ring[slot - known]  # counted from the end where it has wrapped around
            for back in range(known - 1, 0, -1):
                past = ring[slot - back]
                fast = of_fast * past + (1.0 - of_fast) * fast
                slow = of_slow * past + (1.0 - of_slow) * slow
        was_above = fast > slow
        if count:
            fast = of_fast * price + (1.0 - of_fast) * fast
            slow = of_slow * price + (1.0 - of_slow) * slow
        ring[slot] = price
        slot = slot + 1 if slot + 1 < memory else 0
        count += 1
        fires[row] = count >= warm and fast > slow and not was_above
        taken += 1
    averages[FAST], averages[SLOW] = fast, slow
    clock[LATEST], clock[BOUNDARY], clock[COUNT] = latest, boundary, count
    return taken
