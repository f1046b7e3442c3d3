"""Puts together what trades on Kraken: REST, the private line, limits and the dead man's switch, from configuration."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gal_friday_adapters.kraken.dead_man_switch import SwitchRule
from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange, KrakenSettings
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest import KrakenRest, kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials, RestCalls
from gal_friday_adapters.kraken.rest_line import RestClock, RestPatience
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_core.config import ExchangeConfig
from gal_friday_core.ports import Clock, Transport

SIGNS_OF_LIFE = 3
"""How often the dead man's switch is set within its time: two of three may be lost."""
USED_FILE = "kraken-rest-used"


def _nonces(file: Path | None) -> Callable[[], int]:
    return Nonces(time.time_ns, file).next


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How Kraken is reached, and what time and chance are on the way: the world's by default.

    Kraken's nonces and lockouts follow real time, also where the engine's clock is a simulated one.
    """

    calls: Callable[[str, float], RestCalls] = lambda url, timeout_s: RestCalls(url, timeout_s=timeout_s)
    transport: Transport | None = None
    now_ns: Callable[[], int] = time.time_ns
    timer: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    nonces: Callable[[Path | None], Callable[[], int]] = _nonces


WORLD = Ways()


def account_rest(
    config: ExchangeConfig, keys: Credentials | None, *, nonce_file: Path | None = None, ways: Ways = WORLD
) -> KrakenRest:
    """REST of one account; without keys only what is public. `nonce_file` keeps the highest nonce over restarts, a file
    beside it how much of Kraken's limit was used.
    """
    patience = RestPatience(timeout_s=config.rest_timeout_s)
    return kraken_rest(
        config.rest_url,
        keys,
        clock=RestClock(now_ns=ways.now_ns, timer=ways.timer, jitter=ways.jitter),
        nonce=ways.nonces(nonce_file),
        tier=config.tier,
        patience=patience,
        calls=ways.calls(config.rest_url, patience.timeout_s),
        memory=None
        if nonce_file is None
        else RestMemory(config.tier, ways.now_ns, nonce_file.with_name(USED_FILE)),
    )


def kraken_exchange(
    config: ExchangeConfig,
    keys: Credentials,
    clock: Clock,
    *,
    real_money: bool,
    name: str = "kraken",
    nonce_file: Path | None = None,
    ways: Ways = WORLD,
) -> KrakenExchange:
    """An account of Kraken, not yet connected. The dead man's switch is for real money only."""
    settings = KrakenSettings(
        private_url=config.private_websocket_url,
        deadline_s=config.order_deadline_s,
        tier=config.tier,
        switch=switch_rule(config) if real_money else None,
    )
    rest = account_rest(config, keys, nonce_file=nonce_file, ways=ways)
    return KrakenExchange(
        rest, clock, settings, name=name, transport=ways.transport, timer=ways.timer, jitter=ways.jitter
    )


def switch_rule(config: ExchangeConfig) -> SwitchRule | None:
    """None where it is never set."""
    if config.dead_man_switch == "never":
        return None
    return SwitchRule(
        timeout_s=config.dead_man_switch_s,
        every_s=config.dead_man_switch_s / SIGNS_OF_LIFE,
        always=config.dead_man_switch == "always",
    )
