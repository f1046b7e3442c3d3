"""The configuration for a market whose time runs faster than ours: what waits for the wire waits as long as ever."""

from typing import Any

from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager

WIRE_WAITS = (
    ("market", "max_lag_s"),
    ("market", "max_book_age_s"),
    ("strategy", "max_signal_age_s"),
    ("exchange", "order_deadline_s"),
    ("monitoring", "clock_offset_s"),
    ("monitoring", "halt_clock_offset_s"),
)
"""Ages measured on the market's clock that a real wire and a real processor bring about."""
LATEST_DEADLINE_S = 50.0
"""Kraken takes no deadline more than 60 s away, by its own clock."""


def paced(manager: ConfigurationManager, url: str, speed: float) -> ConfigurationManager:
    """The same settings at a simulated exchange's address, its ages in the seconds of a clock `speed` times as fast."""
    return ConfigurationManager.from_config(
        _paced(manager.config, url, speed), again=lambda: _paced(manager.read(), url, speed)
    )


def _paced(config: Config, url: str, speed: float) -> Config:
    socket = f"{url.replace('http', 'ws', 1)}/v2"
    changes: dict[str, dict[str, Any]] = {
        "market": {"websocket_url": socket},
        "exchange": {"rest_url": url, "private_websocket_url": socket, "tier": "pro"},
    }
    if speed > 1:
        for section, key in WIRE_WAITS:
            changes.setdefault(section, {})[key] = getattr(getattr(config, section), key) * speed
        changes["exchange"]["order_deadline_s"] = min(
            changes["exchange"]["order_deadline_s"], LATEST_DEADLINE_S
        )
    updated = {name: getattr(config, name).model_copy(update=values) for name, values in changes.items()}
    return config.model_copy(update=updated)
