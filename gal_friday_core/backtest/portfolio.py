"""Which series may share one portfolio."""

from collections.abc import Sequence

from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError


def require_one_portfolio(series: Sequence[Series]) -> None:
    """Raises ConfigError for none at all, a pair that comes twice, and different quote currencies or bar lengths."""
    if not series:
        raise ConfigError("a backtest trades at least one pair")
    pairs = [one.pair for one in series]
    twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
    if twice is not None:
        raise ConfigError(f"a backtest trades each pair once: {twice} is there twice")
    for what, values in (
        ("counts in one quote currency", {one.quote for one in series}),
        ("decides at one bar length", {one.interval for one in series}),
    ):
        if len(values) > 1:
            raise ConfigError(f"one portfolio {what}, but the pairs have: {', '.join(sorted(values))}")
