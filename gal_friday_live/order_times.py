"""How long orders take on their way out, and the exchange for its first word of them."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus_metrics import percentiles

SAMPLES: Final = 512
MOST_OUT: Final = 256
"""Orders that no word was heard of; the oldest of more are forgotten."""


class OrderTimes:
    """Told by whoever sends. Measures for people only: nothing decides by it, so no record need repeat it."""

    def __init__(self, timer: Callable[[], int] = time.perf_counter_ns) -> None:
        self.now = timer
        self._out: dict[str, int] = {}
        self._sends: deque[int] = deque(maxlen=SAMPLES)
        self._answers: deque[int] = deque(maxlen=SAMPLES)

    def left(self, client_order_id: str, began: int) -> None:
        """The order's bytes leave; it began its way at `began`."""
        now = self.now()
        self._sends.append(now - began)
        if len(self._out) >= MOST_OUT:
            del self._out[next(iter(self._out))]
        self._out[client_order_id] = now

    def answered(self, client_order_id: str) -> None:
        """The exchange spoke of it; only its first word counts."""
        if (sent := self._out.pop(client_order_id, None)) is not None:
            self._answers.append(self.now() - sent)

    def readings(self) -> dict[str, float]:
        """Of what was measured; nothing of what was not."""
        told: dict[str, float] = {}
        for name, times in (("send", self._sends), ("answer", self._answers)):
            if times:
                p50, p99 = percentiles(times)
                told |= {f"{name}_p50_seconds": p50 / SECOND_NS, f"{name}_p99_seconds": p99 / SECOND_NS}
        return told
