"""What became of predictions that were made live, once it is known. Entry point: `labelled`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.drift.delay import NOT_YET
from gal_friday_core.labels import Labels
from gal_friday_core.live_records import Predictions

UNKNOWN_OUTCOME = 9
"""`outcome` of a prediction whose label nobody knows yet."""


def labelled(said: Predictions, labels: Mapping[str, Labels], now_ns: int) -> dict[str, NDArray[Any]]:
    """Columns beside each prediction: `t1_ns`, `net_return`, `outcome` by the labels of its own model.

    A label counts once its `t1_ns` passed; before, and for a model without labels, it is `NOT_YET`, NaN and
    `UNKNOWN_OUTCOME`.
    """
    t1 = np.full(len(said), NOT_YET, np.int64)
    net, outcome = np.full(len(said), np.nan), np.full(len(said), UNKNOWN_OUTCOME, np.int64)
    for model_id, found in labels.items():
        mine = np.flatnonzero(said.model_id == model_id)
        if not (len(mine) and len(found)):
            continue
        rows = np.minimum(np.searchsorted(found.t0_ns, said.t0_ns[mine]), len(found) - 1)
        known = (found.t0_ns[rows] == said.t0_ns[mine]) & (found.t1_ns[rows] <= now_ns)
        mine, rows = mine[known], rows[known]
        t1[mine], net[mine], outcome[mine] = found.t1_ns[rows], found.net_return[rows], found.outcome[rows]
    return {"t1_ns": t1, "net_return": net, "outcome": outcome}
