"""How good probabilities are: log loss, Brier, AUC, calibration error, and the trades that they lead to."""

from dataclasses import dataclass
from math import fsum
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.resampling import Blocks, Estimate, interval, ratio

CALIBRATION_BINS = 10
_SMALLEST = 1e-15


@dataclass(frozen=True, eq=False, slots=True)
class OutOfSample:
    """What a model said about events that it never saw, in time order.

    `probability` and `label` (events,); `base` (events,) the constant that knows nothing but the training
    labels. `trade_event` (trades,) gives, for each trade that the threshold rule would have made, the event
    it began at or just after; `trade_return` its net return after fees.
    """

    t0_ns: NDArray[np.int64]
    probability: NDArray[np.float64]
    label: NDArray[np.bool_]
    base: NDArray[np.float64]
    trade_event: NDArray[np.int64]
    trade_return: NDArray[np.float64]


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Out-of-sample results. Returns are fractions of the money spent, after fees and slippage, one position at a time."""

    events: int
    positive_rate: float
    base_rate: float
    log_loss: Estimate
    base_log_loss: float
    log_loss_gain: Estimate
    auc: Estimate
    brier: Estimate
    base_brier: float
    calibration_error: float
    trades: int
    winning_trades: int
    mean_net_return: Estimate
    total_net_return: Estimate


def score(sample: OutOfSample, blocks: Blocks, confidence: float) -> Scores:
    """Every figure of `Scores`, each interval from the same resamples."""
    ones = np.ones(len(sample.label))
    losses, base_losses = log_losses(sample.probability, sample.label), log_losses(sample.base, sample.label)
    squares = (sample.probability - sample.label) ** 2
    made, earned = np.zeros(len(ones)), np.zeros(len(ones))
    np.add.at(made, sample.trade_event, 1.0)
    np.add.at(earned, sample.trade_event, sample.trade_return)
    total = float(earned.sum())
    return Scores(
        events=len(ones),
        positive_rate=float(sample.label.mean()),
        base_rate=float(sample.base.mean()),
        log_loss=ratio(blocks, losses, ones, confidence),
        base_log_loss=float(base_losses.mean()),
        log_loss_gain=ratio(blocks, base_losses - losses, ones, confidence),
        auc=_auc(sample, blocks, confidence),
        brier=ratio(blocks, squares, ones, confidence),
        base_brier=float(((sample.base - sample.label) ** 2).mean()),
        calibration_error=calibration_error(sample.probability, sample.label),
        trades=len(sample.trade_return),
        winning_trades=int((sample.trade_return > 0).sum()),
        mean_net_return=ratio(blocks, earned, made, confidence),
        total_net_return=interval(total, blocks.sums(earned), confidence),
    )


def log_losses(probability: NDArray[np.float64], label: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Minus the logarithm of the probability given to what happened, per row.

    >>> log_losses(np.array([0.5]), np.array([True])).tolist() == [np.log(2)]
    True
    """
    said = np.clip(np.where(label, probability, 1 - probability), _SMALLEST, None)
    losses: NDArray[np.float64] = -np.log(said)
    return losses


def calibration_error(probability: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Mean distance between said and seen, over bins of equally many rows (expected calibration error)."""
    order = np.argsort(probability, kind="stable")
    groups = np.array_split(order, min(CALIBRATION_BINS, len(order)))
    return fsum(abs(float(probability[rows].sum()) - float(label[rows].sum())) for rows in groups) / len(
        order
    )


def _auc(sample: OutOfSample, blocks: Blocks, confidence: float) -> Estimate:
    order = np.argsort(sample.probability, kind="stable")
    label, probability = sample.label[order], sample.probability[order]
    value = weighted_auc(probability, label, np.ones(len(order), np.int64))
    drawn = [
        weighted_auc(probability, label, blocks.counts(draw)[order]) for draw in range(len(blocks.starts))
    ]
    return interval(value, np.array(drawn), confidence)


@kept
@njit(cache=True)
def weighted_auc(probability: Any, label: Any, weight: Any) -> float:
    """The chance that a positive row scores above a negative one, ties counted half; rows in order of score.

    NaN where one class has no weight.
    """
    positives, negatives, area = 0.0, 0.0, 0.0
    row = 0
    while row < len(label):
        tied_positives, tied_negatives, now = 0.0, 0.0, probability[row]
        while row < len(label) and probability[row] == now:
            if label[row]:
                tied_positives += weight[row]
            else:
                tied_negatives += weight[row]
            row += 1
        area += tied_positives * (negatives + tied_negatives / 2)
        positives += tied_positives
        negatives += tied_negatives
    if positives == 0 or negatives == 0:
        return np.nan
    return area / (positives * negatives)


@kept
@njit(cache=True)
def sequential_trades(t0_ns: Any, t1_ns: Any, probability: Any, threshold: float) -> Any:
    """Rows at which the threshold rule enters: one position at a time, the next only when the last has ended."""
    taken = np.empty(len(t0_ns), np.int64)
    count, free_ns = 0, np.int64(-(2**63) + 1)
    for row in range(len(t0_ns)):
        if probability[row] >= threshold and t0_ns[row] >= free_ns:
            taken[count] = row
            count += 1
            free_ns = t1_ns[row]
    return taken[:count].copy()
