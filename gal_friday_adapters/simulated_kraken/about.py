"""Whether what answers at an address is a simulated Kraken of this machine, and what time it is there."""

import asyncio
import http.client
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import aiohttp
import msgspec

from gal_friday_adapters.loopback import is_loopback
from gal_friday_adapters.simulated_kraken.scaled_time import Anchors, ScaledTime
from gal_friday_core.errors import ConfigError, ExchangeError

TIMEOUT_S = 15.0
"""Of an answer; a machine that starts several programs at once is slow."""
COMING_UP_S = 5.0
"""Who starts exchange and engine together need not wait for the one before starting the other."""
AGAIN_S = 0.2
LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """`venue_id` names one run of a simulated exchange: another run is another exchange with other accounts."""

    venue_id: str
    time: Anchors | None = None


def scaled_time(about: About) -> ScaledTime | None:
    """Its time, where that is not the machine's own."""
    return None if about.time is None else ScaledTime(about.time)


def require_loopback(url: str) -> str:
    """The address without its last slash. Raises ConfigError for anything but plain HTTP on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.path.strip("/") or not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"--venue {url}: a simulated venue is at http://127.0.0.1:PORT, as gal-friday exchange serve prints it"
        )
    return url.rstrip("/")


async def ask_about(url: str) -> About:
    """What answers there; asked again for a moment where nobody listens yet.

    Raises ConfigError where the address is not of this machine or no simulated Kraken answers there, ExchangeError where
    nobody does.
    """
    address = require_loopback(url)
    try:
        return msgspec.json.decode(await _asked(f"{address}/simulation"), type=About)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ConfigError(f"--venue {url}: what answers there is no simulated Kraken") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ExchangeError(
            f"nothing answers at {url} ({type(error).__name__}): start it with gal-friday exchange serve"
        ) from error


async def _asked(url: str) -> bytes:
    """The answer, once somebody listens. Raises aiohttp's error, or TimeoutError."""
    loop = asyncio.get_running_loop()
    until = loop.time() + COMING_UP_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    return await answer.read()
            except aiohttp.ClientConnectorError:
                if loop.time() >= until:
                    raise
            await asyncio.sleep(AGAIN_S)


@contextmanager
def following(about: About, address: str, clock: ScaledTime) -> Iterator[None]:
    """Meanwhile the clock goes on as that exchange's does, should it have to go slower.

    In a thread: whoever's loop is busy, or stands on an island, has the right time all the same.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            found = _looked(address)
            if found is None or found.venue_id != about.venue_id or found.time in {None, clock.anchors}:
                continue
            assert found.time is not None
            log.warning(
                "the simulated exchange goes on at %g times the pace of a market, no longer at %g",
                found.time.speed, clock.speed,
            )  # fmt: skip
            clock.adopt(found.time)

    follower = threading.Thread(target=look, name="time of the simulated exchange", daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join(TIMEOUT_S)


def _looked(address: str) -> About | None:
    """None where nobody answers."""
    parts = urlsplit(address)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=COMING_UP_S)
    try:
        line.request("GET", "/simulation")
        return msgspec.json.decode(line.getresponse().read(), type=About)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        line.close()
