"""The engine's caches by name: how often they had the answer, and their sizes, which can be changed while it runs.

Only what its own module alone calls is here: a size is changed by putting another cache in the function's place.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, NamedTuple

from gal_friday_core import redaction, times
from gal_friday_core.kraken import order_requests


class Cache(NamedTuple):
    """A function with `lru_cache`, where it stands."""

    module: ModuleType
    function: str

    @property
    def size(self) -> int:
        return int(self._cached.cache_parameters()["maxsize"])

    @property
    def held(self) -> int:
        return int(self._cached.cache_info().currsize)

    @property
    def hits(self) -> int:
        return int(self._cached.cache_info().hits)

    @property
    def misses(self) -> int:
        return int(self._cached.cache_info().misses)

    def resize(self, size: int) -> None:
        """Begin anew, empty and uncounted, with room for so many answers."""
        setattr(self.module, self.function, lru_cache(size)(self._cached.__wrapped__))

    @property
    def _cached(self) -> Any:
        return getattr(self.module, self.function)


CACHES: Final[Mapping[str, Cache]] = {
    "iso_seconds": Cache(times, "_to_the_second"),
    "order_minutes": Cache(order_requests, "_minute"),
    "secret_names": Cache(redaction, "is_secret_name"),
}
