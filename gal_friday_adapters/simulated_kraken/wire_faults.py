"""Which faults the simulated exchange shows, how often, and when: decided by a seed.

`disconnect`, `half_open` and `checksum` are chances per websocket frame, `duplicate` and `sequence_gap` per
message of a private channel, `lost_response`, `accept_late`, `reject` and `rate_limit` per order or private
request; `delay` is the mean delay of a frame in seconds (exponentially distributed).
"""

from collections.abc import Mapping

import numpy as np

from gal_friday_core.errors import ConfigError

CHANCES = (
    *("disconnect", "half_open", "checksum", "duplicate", "sequence_gap"),
    *("lost_response", "accept_late", "reject", "rate_limit"),
)
DELAY = "delay"
LATEST_S = 3.0
"""An order that is accepted late waits up to so long: inside the deadlines that clients give, and beyond."""
LONGEST_DELAY_S = 60.0


class WireFaults:
    """Draws faults; without rates there are none."""

    def __init__(self, rates: Mapping[str, float], seed: int) -> None:
        self._rates = dict(rates)
        self._random = np.random.Generator(np.random.PCG64(seed))
        self.counts = dict.fromkeys(rates, 0)

    @classmethod
    def parse(cls, text: str, seed: int) -> "WireFaults":
        """From `disconnect=0.001,delay=0.05`. Raises ConfigError with the name that is wrong.

        >>> WireFaults.parse("checksum=1", seed=1).strikes("checksum")
        True
        """
        return cls(dict(_rate(part) for part in text.split(",") if part.strip()), seed)

    def strikes(self, kind: str) -> bool:
        rate = self._rates.get(kind, 0.0)
        if not rate or self._random.random() >= rate:
            return False
        self.counts[kind] += 1
        return True

    def delay_s(self) -> float:
        mean = self._rates.get(DELAY, 0.0)
        return min(float(self._random.exponential(mean)), LONGEST_DELAY_S) if mean else 0.0

    def late_s(self) -> float:
        """How much later than its request an order is taken that is accepted late."""
        return float(self._random.uniform(0.0, LATEST_S))

    def set(self, kind: str, rate: float) -> None:
        """Change one rate while the exchange runs; 0 switches the fault off."""
        _check(kind, rate)
        self._rates[kind] = rate
        self.counts.setdefault(kind, 0)


def _rate(part: str) -> tuple[str, float]:
    kind, equals, number = part.strip().partition("=")
    kind = kind.strip().replace("-", "_")
    try:
        rate = float(number) if equals else float("nan")
    except ValueError:
        rate = float("nan")
    _check(kind, rate)
    return kind, rate


def _check(kind: str, rate: float) -> None:
    known = (*CHANCES, DELAY)
    if kind not in known:
        raise ConfigError(f"unknown fault {kind!r}: use {', '.join(known)}, as in disconnect=0.01,delay=0.05")
    most = LONGEST_DELAY_S if kind == DELAY else 1.0
    if not 0 <= rate <= most:
        raise ConfigError(f"fault {kind}: give a number from 0 to {most:g}, as in {kind}=0.01")
