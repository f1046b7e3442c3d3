"""Keeps one private line to Kraken, for as long as it is wanted, with a new token for each connection."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gal_friday_adapters.bell import Bell
from gal_friday_adapters.kraken.client import TICKS
from gal_friday_adapters.kraken.patience import Patience, Retries
from gal_friday_adapters.kraken.private_line import PrivateLine, PrivateSink
from gal_friday_core.errors import ExchangeError
from gal_friday_core.kraken.error_codes import MEANINGS, Kind
from gal_friday_core.kraken.exchange_time import ExchangeTime
from gal_friday_core.ports import Transport

PRIVATE_URL = "wss://ws-auth.kraken.com/v2"
FATAL: Mapping[Kind, str] = {"AUTH": "EXCHANGE_REFUSED_KEY", "LOCKOUT": "EXCHANGE_LOCKED_OUT"}
"""Kinds of a refusal that no further attempt heals, and the code under which they end the line for good."""
FATAL_CODES = {code: FATAL[kind] for code, kind in MEANINGS.values() if kind in FATAL}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEvents:
    """Who hears of lines: `stands` when the snapshots are there, `lost` once for each line that was opened,
    `tick` at every look.
    """

    stands: Callable[[], None]
    lost: Callable[[str], None]
    tick: Callable[[], None]


class PrivateKeeper:
    """`token` fetches a websocket token; `timer`, `sleep` and the retries' jitter are time and chance."""

    def __init__(
        self,
        url: str,
        token: Callable[[], Awaitable[str]],
        sink: PrivateSink,
        events: LineEvents,
        *,
        transport: Transport,
        patience: Patience,
        retries: Retries,
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        time: ExchangeTime | None = None,
    ) -> None:
        self._time = time
        self.url = url
        self.line: PrivateLine | None = None
        self.connections = 0
        self._token = token
        self._sink = sink
        self._events = events
        self._transport = transport
        self._patience = patience
        self._retries = retries
        self._timer = timer
        self._stood = False
        self._failures = 0
        self._changed = Bell(sleep)
        self._closing = False

    @property
    def standing(self) -> bool:
        return self.line is not None and self.line.stands

    async def run(self) -> None:
        """Until `close`. Raises ExchangeError where no line ever stood, EXCHANGE_REFUSED_KEY or EXCHANGE_LOCKED_OUT
        where the exchange wants to hear no more of us.
        """
        while not self._closing:
            self._changed.hush()  # the end of the last line is no news any more: the pause must be one
            await self._changed.wait(self._retries.pause_s())
            if not self._closing:
                await self._hold()

    def close(self) -> None:
        self._closing = True
        self._changed.ring()
        if self.line is not None:
            self.line.give_up("closed here")

    async def _hold(self) -> None:
        """One line, from the attempt to its end."""
        try:
            line = PrivateLine(
                await self._token(),
                self._sink,
                patience=self._patience,
                timer=self._timer,
                ended=self._changed.ring,
                time=self._time,
            )
            connection = await self._transport.connect(self.url, line)
        except ExchangeError as error:
            self._failed(str(error), FATAL_CODES.get(error.code, ""))
            return
        self.connections += 1
        self.line = line
        line.opened(connection)
        try:
            await self._watch(line)
        finally:
            line.give_up("closed here")
            self.line = None
            self._events.lost(line.closed or "")
        if line.refused is not None:
            self._failed(str(line.refused), FATAL.get(line.refused.kind, ""))

    async def _watch(self, line: PrivateLine) -> None:
        stood = False
        while line.closed is None and not self._closing:
            self._changed.hush()
            line.check()
            if line.stands and not stood:
                stood = self._stood = True
                self._failures = 0
                self._retries.stood()
                self._events.stands()
            self._events.tick()
            if line.closed is None:
                await self._changed.wait(self._patience.silence_s / TICKS)
        if not stood and line.refused is None and not self._closing:
            self._failed(line.closed or "")

    def _failed(self, reason: str, fatal: str = "") -> None:
        """A line that once stood comes back; one that never stood is a wrong address, a wrong key or no network."""
        self._failures += 1
        hopeless = not self._stood and self._failures >= self._patience.first_attempts
        if fatal or hopeless:
            raise ExchangeError(
                f"no private line to Kraken at {self.url} after {self._failures} attempts: {reason}",
                fatal,
            )
        log.warning("no private line, attempt %s: %s", self._failures, reason)
