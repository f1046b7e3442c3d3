"""The promise of a sealed model: what the engine serves from its files is what its library would answer."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.linear import read_linear
from gal_friday_core.trees import read

SAMPLE_ROWS = 20_000


def served_as_trained(files: Mapping[str, bytes], rows: NDArray[np.float64]) -> tuple[int, int]:
    """How many `rows` (n, features) were predicted both ways, and how many differ in any bit.

    Training compared rows it had at hand; here the stored bytes are read back, by both.
    """
    if artifact.model_file(files) == artifact.LINEAR_MODEL:
        return _linear_as_trained(files, rows)
    import xgboost

    booster = xgboost.Booster(model_file=bytearray(files[artifact.MODEL]))
    expected = booster.predict(xgboost.DMatrix(rows))
    served = read(files[artifact.MODEL]).probabilities(rows)
    return len(rows), int((served.view(np.int32) != expected.view(np.int32)).sum())


def _linear_as_trained(files: Mapping[str, bytes], rows: NDArray[np.float64]) -> tuple[int, int]:
    """Against the same sum by numpy, which adds in another order: apart by rounding at most."""
    model = read_linear(files[artifact.LINEAR_MODEL])
    expected = (rows - model.mean) / model.scale @ model.weight + model.intercept
    apart = ~np.isclose(model.margins(rows), expected, rtol=1e-9, atol=1e-9)
    return len(rows), int(apart.sum())
