"""How long to wait for what on a public line, and when to try again without wearing out the exchange's welcome."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds, unless named otherwise. Retries double from `retry_s` to `retry_max_s`, jittered.

    `silence_s`: a line that says nothing for so long is dead (Kraken's heartbeat comes once a second; half
    way we ask); with the watch's own steps a half-open line is noticed within two seconds. `answer_s`: for acknowledgements and snapshots. `grace_s`: a candle is final so long after
    its end. `stable_s`: a line that stood so long earns a quick first retry again. `lag_s`: a book whose own
    time is further from our clock is stale. At most `attempts` connections in `window_s`: Kraken allows 150
    in ten minutes to one address, and bans beyond. `first_attempts` failures before the first line ever
    stood mean a wrong address or no network.
    """

    silence_s: float = 1.75
    answer_s: float = 5.0
    grace_s: float = 3.0
    lag_s: float = 5.0
    retry_s: float = 0.25
    retry_max_s: float = 30.0
    stable_s: float = 30.0
    attempts: int = 120
    window_s: float = 600.0
    first_attempts: int = 4


class Retries:
    """When the next attempt may be made. `timer` is monotonic, in seconds; `jitter` gives numbers in [0, 1).

    >>> retries = Retries(Patience(retry_s=1, retry_max_s=4), timer=lambda: 0.0, jitter=lambda: 0.0)
    >>> [retries.pause_s() for _ in range(5)]
    [0.0, 0.5, 1.0, 2.0, 2.0]
    """

    def __init__(
        self, patience: Patience, *, timer: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._patience = patience
        self._timer = timer
        self._jitter = jitter
        self._attempts: deque[float] = deque(maxlen=patience.attempts)
        self._failures = 0
        self._stood_since: float | None = None

    def stood(self) -> None:
        """The line works."""
        self._stood_since = self._timer()

    def pause_s(self) -> float:
        """Counts an attempt that is about to be made; how long to wait before it."""
        now = self._timer()
        if self._stood_since is not None and now - self._stood_since >= self._patience.stable_s:
            self._failures = 0
        self._stood_since = None
        pause = self._backoff_s() if self._attempts else 0.0
        if len(self._attempts) == self._patience.attempts:
            pause = max(pause, self._attempts[0] + self._patience.window_s - now)
        self._attempts.append(now + pause)
        return pause

    def _backoff_s(self) -> float:
        """Doubling, and at random between the half and the whole of it: many clients must not come at once."""
        longest = min(self._patience.retry_s * 2.0 ** min(self._failures, 30), self._patience.retry_max_s)
        self._failures += 1
        return longest * (0.5 + self._jitter() / 2)
