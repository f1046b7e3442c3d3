"""Things left alone for a while, by pair: on a timer that no change of the wall clock moves."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

Why = Literal["fill", "target", "refused", "joined", "orphans", "offer"]


class Pauses:
    """`again` is called with the pair when a pause of it is over."""

    def __init__(self, again: Callable[[str], None], timer: Callable[[], float] = time.monotonic) -> None:
        self._again = again
        self._timer = timer
        self._until: dict[tuple[str, Why], float] = {}

    def begin(self, pair: str, why: Why, seconds: float) -> None:
        """Pause from now on; a pause that runs already starts anew. None at all where `seconds` is not positive."""
        if seconds > 0:
            self._until[pair, why] = self._timer() + seconds
            asyncio.get_running_loop().call_later(seconds, self._again, pair)

    def end(self, pair: str, why: Why) -> None:
        self._until.pop((pair, why), None)

    def holds(self, pair: str, *reasons: Why) -> bool:
        """Whether a pause of the pair for one of these reasons still runs."""
        now = self._timer()
        return any(self._until.get((pair, why), now) > now for why in reasons)
