"""The configuration for a market whose time runs faster than ours: what waits for the wire waits as long as ever."""

from typing import Any

from gal_friday_live.configuration import ConfigurationManager

WIRE_WAITS = (
    ("market", "max_lag_s"),
    ("market", "max_book_age_s"),
    ("strategy", "max_signal_age_s"),
)
"""Ages measured on the market's clock that a real wire and a real processor bring about."""


def paced(manager: ConfigurationManager, url: str, speed: float) -> ConfigurationManager:
    """The same settings at a simulated exchange's address, its ages in the seconds of a clock `speed` times as fast."""
    config = manager.config
    changes: dict[str, dict[str, Any]] = {"market": {"websocket_url": f"{url.replace('http', 'ws', 1)}/v2"}}
    if speed > 1:
        for section, key in WIRE_WAITS:
            changes.setdefault(section, {})[key] = getattr(getattr(config, section), key) * speed
    updated = {name: getattr(config, name).model_copy(update=values) for name, values in changes.items()}
    return ConfigurationManager.from_config(config.model_copy(update=updated))
