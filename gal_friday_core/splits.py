"""Walk-forward splits in time, purged and embargoed: no training label ever sees a moment that is tested.

A label occupies [t0, t1], both ends included. Purging goes by these times, never by row counts: with rows
missing and trades ending early, counting rows leaks. Reference: López de Prado, Advances in Financial
Machine Learning, 2018, chapter 7.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """Rows of one fold in time order: fit the trees, calibrate on later ones, test on the latest."""

    fit: Rows
    calibration: Rows
    test: Rows


def purged(
    t0_ns: NDArray[np.int64],
    t1_ns: NDArray[np.int64],
    rows: Rows,
    *,
    start_ns: int,
    end_ns: int,
    embargo_ns: int,
) -> Rows:
    """Those of `rows` whose [t0, t1] stays clear of [start_ns, end_ns], widened by the embargo on both sides."""
    before = t1_ns[rows] < start_ns - embargo_ns
    after = t0_ns[rows] > end_ns + embargo_ns
    return rows[before | after]


def fit_and_calibration(
    t0_ns: NDArray[np.int64], t1_ns: NDArray[np.int64], rows: Rows, *, fraction: float, embargo_ns: int
) -> tuple[Rows, Rows]:
    """Cut the latest `fraction` of time-ordered `rows` off for calibration, and purge what comes before it."""
    cut = len(rows) - max(int(len(rows) * fraction), 1)
    calibration = rows[cut:]
    start = int(t0_ns[calibration[0]])
    fit = purged(
        t0_ns, t1_ns, rows[:cut], start_ns=start, end_ns=int(t1_ns[calibration].max()), embargo_ns=embargo_ns
    )
    return fit, calibration


def walk_forward(
    t0_ns: NDArray[np.int64],
    t1_ns: NDArray[np.int64],
    *,
    folds: int,
    calibration_fraction: float,
    embargo_ns: int,
) -> list[Split]:
    """`folds` expanding splits over labels in order of t0: history before each test period, then the period.

    The labels are cut at times into folds + 1 stretches of about equal size; stretch k + 1 tests what was
    learnt from stretches 0…k. Raises DataError when a part of a fold would be empty.
    """
    if len(t0_ns) < folds + 1:
        raise DataError(f"{len(t0_ns):,} labelled events are too few for {folds} folds: use more history")
    edges = t0_ns[[len(t0_ns) * part // (folds + 1) for part in range(1, folds + 1)]]
    starts = np.searchsorted(t0_ns, edges, side="left")
    splits: list[Split] = []
    for fold, (start, end) in enumerate(zip(starts, [*starts[1:], len(t0_ns)], strict=True)):
        test = np.arange(start, end, dtype=np.int64)
        if not len(test):
            raise DataError(
                f"fold {fold + 1} of {folds} has nothing to test: use more history or fewer folds"
            )
        train = purged(
            t0_ns, t1_ns, np.arange(start, dtype=np.int64),
            start_ns=int(t0_ns[start]), end_ns=int(t1_ns[test].max()), embargo_ns=embargo_ns,
        )  # fmt: skip
        splits.append(Split(*_trainable(t0_ns, t1_ns, train, calibration_fraction, embargo_ns, fold), test))
    return splits


def rolling(
    t0_ns: NDArray[np.int64],
    t1_ns: NDArray[np.int64],
    *,
    first_ns: int,
    train_ns: int,
    test_ns: int,
    calibration_fraction: float,
    embargo_ns: int,
) -> list[Split]:
    """Retraining as it is lived: every `test_ns` from `first_ns` on, learn from the `train_ns` before, then trade.

    Labels in order of t0; stretches without one are left out, the last may be short. Raises DataError when a
    part of a window would be empty.
    """
    splits: list[Split] = []
    for start_ns in range(first_ns, int(t0_ns[-1]) + 1, test_ns):
        first, start, end = np.searchsorted(t0_ns, (start_ns - train_ns, start_ns, start_ns + test_ns))
        test = np.arange(start, end, dtype=np.int64)
        if not len(test):
            continue
        train = purged(
            t0_ns, t1_ns, np.arange(first, start, dtype=np.int64),
            start_ns=start_ns, end_ns=int(t1_ns[test].max()), embargo_ns=embargo_ns,
        )  # fmt: skip
        parts = _trainable(t0_ns, t1_ns, train, calibration_fraction, embargo_ns, len(splits))
        splits.append(Split(*parts, test))
    return splits


def _trainable(  # noqa: PLR0917 - walk_forward's own values, for its own message
    t0_ns: NDArray[np.int64],
    t1_ns: NDArray[np.int64],
    train: Rows,
    fraction: float,
    embargo_ns: int,
    fold: int,
) -> tuple[Rows, Rows]:
    fit: Rows = train
    calibration: Rows = train
    if len(train):
        fit, calibration = fit_and_calibration(t0_ns, t1_ns, train, fraction=fraction, embargo_ns=embargo_ns)
    if not len(fit):
        raise DataError(
            f"fold {fold + 1}: purging and an embargo of {embargo_ns / 60e9:,.0f} minutes leave nothing to train on; "
            "use more history, fewer folds, or a shorter horizon"
        )
    return fit, calibration
