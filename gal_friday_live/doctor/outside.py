"""Measures what lies beyond this machine: the exchange's REST and feed, the time, the API key, destinations of alerts."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_adapters.kraken.key_check import key_rights
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest import KrakenRest, kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials, RestCalls
from gal_friday_adapters.kraken.rest_line import RestClock, RestPatience
from gal_friday_adapters.network_time import network_offset_s
from gal_friday_core.config import Config
from gal_friday_core.doctor.check import Check, broken, doubtful, fine
from gal_friday_core.doctor.machine import clock as judged_clock
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.health import clock_offset_s
from gal_friday_core.times import SECOND_NS
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.live_stage import NONCE_FILE

PATIENCE_S = 4.0
Tell = Callable[[str, str, str], Check]
NETWORK = "Check the network, a proxy or firewall, and exchange.rest_url and market.websocket_url."


def tell_of(config: Config) -> Tell:
    """Paper money can wait for an exchange; real money cannot."""
    return broken if config.mode == "live" else doubtful


def exchange(config: Config, ask: Callable[[], float] = network_offset_s) -> Sequence[Check]:
    """Whether its REST answers, trades, and lists the pairs; and whether our clock is its, and that of `ask`."""
    return asyncio.run(_exchange(config, ask))


async def _exchange(config: Config, ask: Callable[[], float]) -> Sequence[Check]:
    rest, tell = _rest(config, None, None), tell_of(config)
    offset_s: float | None = None
    problem = ""
    found: Check
    try:
        offset_s = await _offset_s(rest)
        found = _judged(await rest.system_status(), await _unlisted(rest, config), config, tell)
    except ExchangeError as error:
        problem = " ".join(str(error).split())
        found = tell("exchange", f"{config.exchange.rest_url} could not be asked: {problem}", NETWORK)
    finally:
        await rest.close()
    return [found, await _clock(config, offset_s, problem, ask)]


def clock_alone(config: Config, ask: Callable[[], float] = network_offset_s) -> Sequence[Check]:
    """By a time server only, where the exchange is not ours to ask."""
    return [asyncio.run(_clock(config, None, f"{config.market.exchange} is not asked", ask))]


async def _clock(config: Config, exchange_s: float | None, problem: str, ask: Callable[[], float]) -> Check:
    ntp_s: float | None = None
    try:
        ntp_s = await asyncio.to_thread(ask)
    except ExchangeError as error:
        problem = f"{problem}; {error}" if problem else str(error)
    limits = config.monitoring
    return judged_clock(
        exchange_s=exchange_s, ntp_s=ntp_s, problem=problem,
        entries_s=limits.clock_offset_s, halt_s=limits.halt_clock_offset_s,
    )  # fmt: skip


def feed(config: Config) -> Sequence[Check]:
    """Whether the market's websocket opens and says something."""
    return [asyncio.run(_feed(config))]


async def _feed(config: Config) -> Check:
    heard = asyncio.get_running_loop().create_future()
    url = config.market.websocket_url
    began = time.monotonic()
    try:
        line = await PicowsTransport(open_s=PATIENCE_S).connect(url, _FirstWord(heard))
    except ExchangeError as error:
        return tell_of(config)("feed", " ".join(str(error).split()), NETWORK)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await heard
    except TimeoutError:
        return tell_of(config)("feed", f"{url} opens and says nothing for {PATIENCE_S:g} s", NETWORK)
    except ExchangeError as error:
        return tell_of(config)("feed", f"{url}: {error}", NETWORK)
    finally:
        line.close()
    return fine("feed", f"{url} speaks after {time.monotonic() - began:.1f} s")


class _FirstWord:
    """Hears a line until its first message."""

    def __init__(self, heard: "asyncio.Future[None]") -> None:
        self._heard = heard

    def on_message(self, raw: bytes) -> None:
        del raw
        if not self._heard.done():
            self._heard.set_result(None)

    def on_closed(self, reason: str) -> None:
        if not self._heard.done():
            self._heard.set_exception(ExchangeError(f"the line closed at once: {reason}"))


def api_key(
    manager: ConfigurationManager, folder: Path, in_use: Callable[[], Awaitable[bool]]
) -> Sequence[Check]:
    """What the configured key may do. None is asked after where none is set, or while an engine uses it.

    Kraken wants every question of a key to carry a higher number than the last: two askers disturb each other.
    """
    keys = manager.get_api_keys()
    if not keys:
        if manager.config.mode == "live":
            fix = "Set KRAKEN_API_KEY_FILE and KRAKEN_API_SECRET_FILE; gal-friday init writes them."
            return [broken("API key", "mode is live and no key is set", fix)]
        return [fine("API key", "none is set, and paper needs none")]
    credentials = Credentials(keys["key"].get_secret_value(), keys["secret"].get_secret_value())
    return [asyncio.run(_rights(manager.config, credentials, folder, in_use))]


async def _rights(
    config: Config, keys: Credentials, folder: Path, in_use: Callable[[], Awaitable[bool]]
) -> Check:
    if await in_use():
        return fine("API key", "in use by the running engine, which asked after its rights as it started")
    kept = folder / NONCE_FILE
    rest = _rest(config, keys, kept if kept.exists() else None)
    page = "Make another at kraken.com, Settings, API"
    try:
        rights = await key_rights(rest, config.market.pairs[0])
    except ExchangeError as error:
        fix = "Check the key, its allowed addresses and the network."
        return broken("API key", f"its rights could not be asked: {' '.join(str(error).split())}", fix)
    finally:
        await rest.close()
    if rights.withdraws:
        fix = f"{page}, without “Withdraw funds”, and delete this one."
        return broken("API key", "it may withdraw funds: whoever has it can empty the account", fix)
    if rights.missing:
        return broken("API key", f"it lacks {', '.join(rights.missing)}", f"{page}, with these permissions.")
    return fine("API key", "may trade, may not withdraw")


def alerts(config: Config) -> Sequence[Check]:
    """Whether the addresses are understood; nothing is sent."""
    from gal_friday_adapters.destination import Destination

    urls = config.alerts.urls
    if not urls:
        fix = "Set alerts.page_urls, then try gal-friday alerts test."
        return [tell_of(config)("alerts", "nobody is told of halts and failures", fix)]
    refused = []
    for _, name, url in urls:
        try:
            Destination(f"alerts.{name}", url.get_secret_value()).connect()
        except DataError as error:
            refused.append(str(error))
    if refused:
        return [broken("alerts", "; ".join(refused), "Correct the address; see docs/alerts.md.")]
    return [fine("alerts", f"{len(urls)} destinations are understood; gal-friday alerts test sends to them")]


def time_series(config: Config) -> Sequence[Check]:
    """Whether somebody listens where measurements go."""
    url = config.timeseries.url
    if url is None:
        return [fine("time series", "measurements are sent nowhere (timeseries.url)")]
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    return [asyncio.run(_listens("time series", host, port))]


async def _listens(name: str, host: str, port: int) -> Check:
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer in time"
        fix = "Start it or correct timeseries.url; the engine trades without it, and counts what is lost."
        return doubtful(name, f"nobody answers at {host}:{port}: {why}", fix)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return fine(name, f"{host}:{port} answers")


def _rest(config: Config, keys: Credentials | None, nonce_file: Path | None) -> KrakenRest:
    """Asks once and briefly: who wants to know whether something works does not try until it does."""
    return kraken_rest(
        config.exchange.rest_url,
        keys,
        clock=RestClock(now_ns=time.time_ns, timer=time.monotonic, jitter=random.random),
        nonce=Nonces(time.time_ns, nonce_file).next,
        tier=config.exchange.tier,
        patience=RestPatience(timeout_s=PATIENCE_S, attempts=1),
        calls=RestCalls(config.exchange.rest_url, timeout_s=PATIENCE_S),
    )


async def _offset_s(rest: KrakenRest) -> float:
    asked_ns = time.time_ns()
    told_ns = await rest.server_time_ns()
    return clock_offset_s(asked_ns, time.time_ns(), told_ns, SECOND_NS)


async def _unlisted(rest: KrakenRest, config: Config) -> list[str]:
    listed = await rest.instruments()
    return [pair for pair in config.market.pairs if pair not in listed]


def _judged(status: str, unlisted: Sequence[str], config: Config, tell: Tell) -> Check:
    if unlisted:
        return broken("exchange", f"it does not list {', '.join(unlisted)}", "Correct market.pairs.")
    if status != "online":
        fix = "Wait until it is online; see status.kraken.com."
        return tell("exchange", f"it says that it is in {status}", fix)
    return fine(
        "exchange", f"{config.exchange.rest_url} is online and lists {', '.join(config.market.pairs)}"
    )
