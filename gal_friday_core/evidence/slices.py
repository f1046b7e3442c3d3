"""Whether it holds everywhere: the same scores by month, by regime and by pair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Series
from gal_friday_core.evidence.report import Slice
from gal_friday_core.label_sets import VOLATILITY
from gal_friday_core.scores import log_losses, weighted_auc
from gal_friday_core.training_set import TrainingSet
from gal_friday_core.validation import FoldResult

TREND_BARS = 240
"""The trend is the rise or fall over so many bars before the decision."""
REGIMES = (1 / 3, 2 / 3)
"""Quantiles of the tested events' volatility that part calm from normal from wild."""

Naming = Callable[[NDArray[np.int64]], NDArray[np.str_]]
"""Names the part that each row of the labels belongs to."""


@dataclass(frozen=True, eq=False, slots=True)
class _Tested:
    """All folds together: arrays (events,), `gain` in log loss over the base rate of each fold's training."""

    events: NDArray[np.int64]
    probability: NDArray[np.float64]
    label: NDArray[np.bool_]
    gain: NDArray[np.float64]
    trades: NDArray[np.int64]
    trade_return: NDArray[np.float64]


def slices(data: TrainingSet, folds: Sequence[FoldResult]) -> tuple[Slice, ...]:
    """Every part of the tested events, each with the trades that began in it."""
    tested = _together(data, folds)
    namings: dict[str, Naming] = {
        "month": lambda rows: data.labels.t0_ns[rows].astype("datetime64[ns]").astype("datetime64[M]").astype(str),
        "volatility": _by_volatility(data, tested.events),
        "trend": lambda rows: np.where(_trend(data, rows) >= 0, "rising", "falling"),
        "pair": lambda rows: np.full(len(rows), Series.parse(data.series_key).pair),
    }  # fmt: skip
    return tuple(part for by, naming in namings.items() for part in _parts(by, naming, tested))


def auc(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float | None:
    """None where one class is absent."""
    order = np.argsort(score, kind="stable")
    found = float(weighted_auc(score[order], label[order], np.ones(len(order), np.int64)))
    return found if np.isfinite(found) else None


def _together(data: TrainingSet, folds: Sequence[FoldResult]) -> _Tested:
    events = np.concatenate([fold.events for fold in folds])
    trades = np.concatenate([fold.trades for fold in folds])
    probability = np.concatenate([fold.sample.probability for fold in folds])
    base = np.concatenate([np.full(len(fold.events), fold.window_rate) for fold in folds])
    label = data.labels.label[events]
    gain = log_losses(base, label) - log_losses(probability, label)
    return _Tested(events, probability, label, gain, trades, data.labels.net_return[trades])


def _by_volatility(data: TrainingSet, events: NDArray[np.int64]) -> Naming:
    volatility = data.table.column(VOLATILITY)[data.table_rows]
    edges = np.quantile(volatility[events], REGIMES)
    names = np.array(["calm", "normal", "wild"])
    return lambda rows: names[np.searchsorted(edges, volatility[rows], side="right")]


def _trend(data: TrainingSet, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    bars = data.labels.index[rows]
    close = data.candles.close
    found: NDArray[np.float64] = close[bars] - close[np.maximum(bars - TREND_BARS, 0)]
    return found


def _parts(by: str, naming: Naming, tested: _Tested) -> list[Slice]:
    of_event, of_trade = naming(tested.events), naming(tested.trades)
    return [
        _part(by, str(name), tested, of_event == name, tested.trade_return[of_trade == name])
        for name in np.unique(of_event)
    ]


def _part(by: str, name: str, tested: _Tested, here: NDArray[np.bool_], earned: NDArray[np.float64]) -> Slice:
    return Slice(
        by=by,
        name=name,
        events=int(here.sum()),
        log_loss_gain=float(tested.gain[here].mean()),
        auc=auc(tested.probability[here], tested.label[here]),
        trades=len(earned),
        mean_net_return=float(earned.mean()) if len(earned) else None,
        total_net_return=float(earned.sum()),
    )
