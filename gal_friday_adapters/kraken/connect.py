"""Puts together what trades on Kraken: REST, the private line, limits and the dead man's switch, from configuration."""

import random
import time
from pathlib import Path

from gal_friday_adapters.kraken.dead_man_switch import SwitchRule
from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange, KrakenSettings
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest import KrakenRest, kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.kraken.rest_line import RestClock, RestPatience
from gal_friday_core.config import ExchangeConfig
from gal_friday_core.ports import Clock

SIGNS_OF_LIFE = 3
"""How often the dead man's switch is set within its time: two of three may be lost."""


def account_rest(
    config: ExchangeConfig, keys: Credentials | None, *, nonce_file: Path | None = None
) -> KrakenRest:
    """REST of one account; without keys only what is public. `nonce_file` keeps the highest nonce over restarts."""
    return kraken_rest(
        config.rest_url,
        keys,
        # Kraken's nonces and lockouts follow real time, also where the engine's clock is a simulated one.
        clock=RestClock(now_ns=time.time_ns, timer=time.monotonic, jitter=random.random),
        nonce=Nonces(time.time_ns, nonce_file).next,
        tier=config.tier,
        patience=RestPatience(timeout_s=config.rest_timeout_s),
    )


def kraken_exchange(
    config: ExchangeConfig,
    keys: Credentials,
    clock: Clock,
    *,
    real_money: bool,
    name: str = "kraken",
    nonce_file: Path | None = None,
) -> KrakenExchange:
    """An account of Kraken, not yet connected. The dead man's switch is for real money only."""
    settings = KrakenSettings(
        private_url=config.private_websocket_url,
        deadline_s=config.order_deadline_s,
        tier=config.tier,
        switch=switch_rule(config) if real_money else None,
    )
    return KrakenExchange(account_rest(config, keys, nonce_file=nonce_file), clock, settings, name=name)


def switch_rule(config: ExchangeConfig) -> SwitchRule | None:
    """None where it is never set."""
    if config.dead_man_switch == "never":
        return None
    return SwitchRule(
        timeout_s=config.dead_man_switch_s,
        every_s=config.dead_man_switch_s / SIGNS_OF_LIFE,
        always=config.dead_man_switch == "always",
    )
