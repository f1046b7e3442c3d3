import numpy as np

from gal_friday_assets.feature_checks import FEWEST_ROWS, dead_columns

NAMES = ("close_to_high", "volume_share", "missing_bars", "flow")


def rows(count: int = FEWEST_ROWS) -> np.ndarray:
    values = np.random.default_rng(1).normal(size=(count, len(NAMES)))
    values[:, 2] = 0.0
    return values


def test_features_that_move_are_alive_and_no_missing_bar_is_no_fault():
    values = rows()
    values[:500, 0] = np.nan
    assert dead_columns(values, NAMES) == []


def test_features_that_are_never_known_or_never_change_are_named():
    values = rows()
    values[:, 1], values[:, 3] = np.nan, 0.25
    assert dead_columns(values, NAMES) == ["volume_share is never known", "flow is always 0.25"]


def test_too_few_rows_prove_nothing():
    assert dead_columns(np.zeros((FEWEST_ROWS - 1, len(NAMES))), NAMES) == []
