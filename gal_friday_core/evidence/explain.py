"""What a model goes by, and whether its probabilities mean what they say."""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.evidence.report import CalibrationBin, Importance
from gal_friday_core.scores import CALIBRATION_BINS


def importance(
    names: tuple[str, ...], gain: NDArray[np.float64], contribution: NDArray[np.float64]
) -> tuple[Importance, ...]:
    """`gain` and `contribution` (features,) by name, the most important first."""
    total = float(gain.sum())
    shares = gain / total if total > 0 else gain
    order = sorted(range(len(names)), key=lambda column: (-contribution[column], names[column]))
    return tuple(
        Importance(names[column], float(shares[column]), float(contribution[column])) for column in order
    )


def calibration_curve(
    probability: NDArray[np.float64], label: NDArray[np.bool_]
) -> tuple[CalibrationBin, ...]:
    """Bins of equally many events, by what was said: the bins of `scores.calibration_error`."""
    order = np.argsort(probability, kind="stable")
    groups = np.array_split(order, min(CALIBRATION_BINS, len(order)))
    return tuple(
        CalibrationBin(len(rows), float(probability[rows].mean()), float(label[rows].mean()))
        for rows in groups
    )
