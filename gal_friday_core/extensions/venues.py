"""Exchanges of installed packages: what they are opened with, and what they must have."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.extensions.parameters import NoParameters
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Clock, Exchange, Feed
from gal_friday_core.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMeans:
    """`keys` has `key` and `secret` where orders are to be sent, and is empty where only the market is heard.

    `folder` is there and may be written, for what must outlive the process, such as a nonce. `clock` is the engine's.
    """

    config: Config
    clock: Clock
    folder: Path
    keys: Mapping[str, SecretStr]

    @property
    def trades(self) -> bool:
        """Whether real orders will be sent."""
        return bool(self.keys)


class Venue(Protocol):
    """An open exchange: its market, and with keys an account."""

    @property
    def exchange(self) -> Exchange | None:
        """Where orders go, not yet started; None without keys."""
        ...

    def feed(self, series: Sequence[Series]) -> Feed:
        """The market of these series, as it happens."""
        ...

    async def instruments(self, pairs: Sequence[str]) -> Sequence[Instrument]:
        """Precisions and minimums, one a pair, in their order. Raises ConfigError for a pair that it does not list."""
        ...

    def candles(self, series: Series, since_ns: int, now_ns: int) -> Candles:
        """The closed bars that opened in [since_ns, now_ns), as far back as it has them; blocks, in a thread of its own.

        Raises ExchangeError where the exchange cannot be reached.
        """
        ...

    async def server_time_ns(self) -> int:
        """The exchange's own clock."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeExtension:
    """`open(parameters, means)` gives the venue for as long as the context lasts.

    With keys it raises ConfigError for one that may withdraw: the engine never needs that right.
    """

    open: Callable[[Any, VenueMeans], AbstractAsyncContextManager[Venue]]
    parameters: type[Section] = NoParameters
