"""The promise of a sealed model: what the engine serves from its files is what XGBoost would answer."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.trees import read

SAMPLE_ROWS = 20_000


def served_as_trained(files: Mapping[str, bytes], rows: NDArray[np.float64]) -> tuple[int, int]:
    """How many `rows` (n, features) were predicted both ways, and how many differ in any bit.

    Training compared rows it had at hand; here the stored bytes are read back, by both.
    """
    import xgboost

    booster = xgboost.Booster(model_file=bytearray(files[artifact.MODEL]))
    expected = booster.predict(xgboost.DMatrix(rows))
    served = read(files[artifact.MODEL]).probabilities(rows)
    return len(rows), int((served.view(np.int32) != expected.view(np.int32)).sum())
