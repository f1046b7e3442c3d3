"""The same decisions when things go less well: costs doubled, every entry one bar late."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import Config, CostsConfig
from gal_friday_core.evidence.daily import Daily, spread
from gal_friday_core.evidence.report import Stress
from gal_friday_core.evidence.track_record import annual_ratio
from gal_friday_core.labels import Labels
from gal_friday_core.resampling import UNKNOWN, Blocks, Estimate, ratio
from gal_friday_core.training_set import TrainingSet, label_bars
from gal_friday_core.validation import RESAMPLES, FoldResult

AS_VALIDATED, COSTS_DOUBLED, ONE_BAR_LATE = "as validated", "costs doubled", "one bar late"


def stressed(
    data: TrainingSet, config: Config, folds: Sequence[FoldResult], record: Daily, block_trades: int
) -> tuple[Stress, ...]:
    """The trades of all folds as they were validated, at twice the costs, and decided one bar late.

    A late trade is the whole trade of the next bar: its own entry, target and stop. Where that bar's trade is not
    known it is left out.
    """
    rows = data.labels.index[np.concatenate([fold.trades for fold in folds])]
    usual = label_bars(data.candles, data.table, config, config.costs)
    dear = label_bars(data.candles, data.table, config, doubled(config.costs))
    cases = ((AS_VALIDATED, usual, rows), (COSTS_DOUBLED, dear, rows), (ONE_BAR_LATE, usual, rows + 1))
    return tuple(
        _stress(name, labels[_known(labels, bars)], record, block_trades, config)
        for name, labels, bars in cases
    )


def doubled(costs: CostsConfig) -> CostsConfig:
    """Twice the fees and twice the slippage."""
    return CostsConfig(
        taker_fee=costs.taker_fee * 2, maker_fee=costs.maker_fee * 2, slippage=costs.slippage * 2
    )


def _known(labels: Labels, bars: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where those bars that have a label stand among `labels`."""
    at = np.minimum(np.searchsorted(labels.index, bars), len(labels) - 1)
    found: NDArray[np.int64] = at[labels.index[at] == bars]
    return found


def _stress(name: str, trades: Labels, record: Daily, block_trades: int, config: Config) -> Stress:
    returns = trades.net_return
    by_day = spread(trades.t1_ns, returns, record.first_day, len(record.net_return))
    return Stress(
        name=name,
        trades=len(returns),
        mean_net_return=_mean(returns, block_trades, config),
        total_net_return=float(returns.sum()),
        annual_ratio=annual_ratio(by_day),
    )


def _mean(returns: NDArray[np.float64], block_trades: int, config: Config) -> Estimate:
    if not len(returns):
        return UNKNOWN
    rng = np.random.default_rng(config.training.seed)
    blocks = Blocks.draw(len(returns), block_trades, RESAMPLES, rng)
    return ratio(blocks, returns, np.ones(len(returns)), config.gates.confidence)
