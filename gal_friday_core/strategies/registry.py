"""Every strategy by its id: how it is made from the configuration and the barriers of one model.

Beside those of this house an id may be that of an installed package's (`extensions.offers`).
"""

from collections.abc import Callable, Mapping
from functools import partial

from gal_friday_core.config import BarriersConfig, Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.contracts import StrategyExtension, strategy_of
from gal_friday_core.extensions.loading import extension
from gal_friday_core.features.drivers import REACH
from gal_friday_core.strategies.cost_and_volatility import CostAndVolatilityStrategy
from gal_friday_core.strategies.ema_cross import EmaCrossStrategy
from gal_friday_core.strategies.protocol import EntryRule, Strategy
from gal_friday_core.strategies.threshold import ThresholdStrategy

Factory = Callable[[Config, BarriersConfig], Strategy]


def _threshold(config: Config, barriers: BarriersConfig) -> Strategy:
    return ThresholdStrategy(config.strategy, barriers)


def _cost_and_volatility(config: Config, barriers: BarriersConfig) -> Strategy:
    return CostAndVolatilityStrategy(config.cost_and_volatility, barriers, config.costs)


def _ema_cross(config: Config, barriers: BarriersConfig) -> Strategy:
    del barriers  # its stop and target are its own
    return EmaCrossStrategy(config.ema_cross)


STRATEGIES: Mapping[str, Factory] = {
    "threshold": _threshold,
    "cost_and_volatility": _cost_and_volatility,
    "ema_cross": _ema_cross,
}


def factory(strategy_id: str, strategies: Mapping[str, Factory] = STRATEGIES) -> Factory:
    """How a strategy is made. Raises ConfigError for an id that nobody registered, or whose package cannot be loaded."""
    known = strategies.get(strategy_id)
    if known is not None:
        return known
    if strategies is not STRATEGIES:
        raise ConfigError(f"unknown strategy {strategy_id!r}: strategy.id is one of {', '.join(strategies)}")
    return partial(strategy_of, extension("strategy", strategy_id, StrategyExtension, "strategy.id"))


def rule_of(config: Config) -> EntryRule | None:
    """The configured strategy's own rule of bars; None where it asks a model."""
    return factory(config.strategy.id)(config, config.barriers).rule


def history_bars(config: Config) -> int:
    """Bars before the first live one that features and the configured strategy's rule can depend on."""
    rule = rule_of(config)
    return REACH if rule is None else max(REACH, rule.reach)
