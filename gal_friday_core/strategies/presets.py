"""The settings that a strategy is compared with others under: they hold where the configuration says nothing else."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.section import Section

Settings = Mapping[str, Mapping[str, Any]]

PRESETS: Mapping[str, Settings] = {
    "ema_cross": {
        "costs": {"taker_fee": "0.0026", "maker_fee": "0.0026", "slippage": 0},
        "risk": {
            "sizing": "fixed_fractional",
            "risk_per_trade": 1,
            "max_pair_exposure": "0.5",
            "max_total_exposure": 1,
            "max_daily_drawdown": 1,
            "max_weekly_drawdown": 1,
            "max_total_drawdown": 1,
        },
    }
}
"""`ema_cross` as the benchmarks of backtesters have it: half of equity a trade, and nothing that ends it early."""


def trading(config: Config, strategy_id: str) -> Config:
    """The same configuration for another strategy. Raises ConfigError for an unknown one, or one that its settings forbid."""
    values = config.model_dump(exclude_unset=True)
    values["strategy"] = {**values.get("strategy", {}), "id": strategy_id}
    return _validated(values)


def with_preset(config: Config) -> tuple[Config, dict[str, str]]:
    """The configured strategy under its preset, and what that changed, by key: nothing that was set by anybody."""
    values = config.model_dump(exclude_unset=True)
    changed: dict[str, str] = {}
    for name, preset in PRESETS.get(config.strategy.id, {}).items():
        section: Section = getattr(config, name)
        said = section.model_fields_set
        ours = {key: value for key, value in preset.items() if key not in said}
        values[name] = {**values.get(name, {}), **ours}
        changed |= {f"{name}.{key}": str(value) for key, value in ours.items()}
    return _validated(values), changed


def _validated(values: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{key + ': ' if key else ''}{first['msg']}") from None
