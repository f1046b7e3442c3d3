"""Backtests of several pairs with one portfolio: one cash, one set of limits, bars in the order they close."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gal_friday_core.backtest.summary import summary_of
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.tearsheet.deflation import Tried
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_live.fast_backtest import Trading, trade, why_not


def run_together(
    config: Config, pairs: Sequence[Trading], cash: Decimal, *, tried: Tried | None = None
) -> dict[str, Any]:
    """The report of `core.tearsheet` over all pairs, and the run's summary as `engine`.

    Raises ConfigError where only the engine could run them, or where pairs have different quote currencies.
    """
    quotes = sorted({pair.played.series.quote for pair in pairs})
    if len(quotes) != 1:
        raise ConfigError(
            f"one portfolio counts in one quote currency, but the pairs have: {', '.join(quotes)}"
        )
    why = why_not(config, pairs)
    if why:
        raise ConfigError(f"these pairs cannot be traded together: {why}")
    ran = trade(config, pairs, cash)
    keys = [pair.played.series.key for pair in pairs]
    summary = summary_of(ran)
    return {
        **tearsheet(record_of(ran, config.costs), confidence=config.gates.confidence, tried=tried),
        "title": f"Backtest of {config.strategy.id} on {len(keys)} pairs with one portfolio",
        "series": keys,
        "engine": summary,
        "driver": {"name": "scan", "why": ""},
        "notes": [f"Trading halted: {'; '.join(summary['halt_reasons'])}."] if summary["halted"] else [],
    }
