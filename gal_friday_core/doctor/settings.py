"""Settings that are valid and still unwise: each with what it risks, and what to set instead."""

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from gal_friday_core.config import Config, RiskConfig
from gal_friday_core.doctor.check import Check, broken, doubtful, joined

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PLAIN: Final = frozenset({"http", "ws"})

_SIZES: Final[tuple[tuple[str, float, str], ...]] = (
    ("risk_per_trade", 0.02, "a losing streak of ten costs a fifth of everything"),
    ("max_daily_drawdown", 0.2, "one day may lose more than a fifth"),
    ("max_weekly_drawdown", 0.3, "one week may lose almost a third"),
    ("max_total_drawdown", 0.5, "half may be gone before trading halts"),
    ("max_slippage", 0.05, "a thin book may be bought up"),
    ("max_spread", 0.05, "half of so wide a spread is lost at once"),
    ("max_price_deviation", 0.2, "an order may be far from the market"),
)
"""Limits of `risk`, from what value on they are odd, and why."""


def dangers(config: Config) -> Iterator[Check]:
    """Everything that is unwise in a configuration; with real money most of it is a failure."""
    tell: Callable[[str, str, str], Check] = broken if config.mode == "live" else doubtful
    yield from _of_risk(config.risk, tell)
    yield from _of_costs(config, tell)
    yield from _of_lines(config, tell)
    if config.mode == "live":
        yield from _of_real_money(config)


def settings(config: Config, source: str) -> Check:
    """All of them as one check; `source` says where the settings come from.

    >>> settings(Config(), "the defaults").detail
    'nothing unwise in the defaults'
    """
    return joined("settings", dangers(config), f"nothing unwise in {source}")


def _of_risk(risk: RiskConfig, tell: Callable[[str, str, str], Check]) -> Iterator[Check]:
    for name, most, why in _SIZES:
        value = float(getattr(risk, name))
        if value > most:
            yield tell(
                "settings", f"risk.{name} is {value:g}: {why}", f"Set risk.{name} to {most:g} or less."
            )
    if not risk.max_daily_drawdown <= risk.max_weekly_drawdown <= risk.max_total_drawdown:
        yield doubtful(
            "settings",
            "a drawdown limit is tighter than that of a shorter time, so the latter never acts",
            "Let risk.max_daily_drawdown ≤ max_weekly_drawdown ≤ max_total_drawdown.",
        )


def _of_costs(config: Config, tell: Callable[[str, str, str], Check]) -> Iterator[Check]:
    costs, barriers = config.costs, config.barriers
    if costs.taker_fee == 0 or costs.slippage == 0:
        name = "taker_fee" if costs.taker_fee == 0 else "slippage"
        yield tell(
            "settings",
            f"costs.{name} is 0: labels and backtests take trades to be free",
            f"Set costs.{name} to what it is.",
        )
    round_trip = float(2 * (costs.taker_fee + costs.slippage))
    if barriers.min_width <= round_trip:
        yield doubtful(
            "settings",
            f"barriers.min_width {barriers.min_width:g} is not above the costs of a round trip, {round_trip:g}",
            "Set barriers.min_width above them: a target inside the costs loses when it is hit.",
        )


def _of_lines(config: Config, tell: Callable[[str, str, str], Check]) -> Iterator[Check]:
    exchange = config.exchange
    addresses = {
        "exchange.rest_url": exchange.rest_url,
        "exchange.private_websocket_url": exchange.private_websocket_url,
        "market.websocket_url": config.market.websocket_url,
    }
    for key, address in addresses.items():
        if is_open(address):
            yield tell(
                "settings",
                f"{key} is not encrypted and leads off this machine",
                f"Let {key} begin with https:// or wss://.",
            )


def _of_real_money(config: Config) -> Iterator[Check]:
    if not config.alerts.pages_somebody:
        yield broken(
            "settings",
            "mode is live and nobody is woken by a halt",
            "Set alerts.page_urls, then try gal-friday alerts test.",
        )
    if config.risk.ramp_orders == 0:
        yield broken(
            "settings",
            "mode is live and a new model's first orders are its largest",
            "Set risk.ramp_orders: 10; with risk.ramp_fraction: 1 sizes are full from the first.",
        )
    if config.exchange.dead_man_switch == "never":
        yield doubtful(
            "settings",
            "exchange.dead_man_switch is never: entries of an engine that died stay on the book",
            "Set exchange.dead_man_switch: entries.",
        )
    if "database" not in config.logging.destinations and "files" not in config.logging.destinations:
        yield doubtful(
            "settings", "log lines are kept nowhere", "Add files or database to logging.destinations."
        )


def is_open(address: str) -> bool:
    """Whether it is unencrypted and leads off this machine.

    >>> [is_open(one) for one in ("http://127.0.0.1:8000", "ws://10.0.0.7/v2", "wss://ws.kraken.com/v2")]
    [False, True, False]
    """
    parts = urlsplit(address)
    return parts.scheme in _PLAIN and parts.hostname not in _LOOPBACK
