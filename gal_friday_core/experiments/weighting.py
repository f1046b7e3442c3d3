"""What one variant gains over another, unit by unit, where each unit was served by only one of them.

Inverse-propensity weights make each value's expectation the difference, whatever the shares were and however
they followed earlier outcomes (Hadad, Hirshberg, Zhan, Wager, Athey, PNAS 118, 2021). No t-test is read off
such data.
"""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def differences(values: Values, served: NDArray[np.int64], propensity: Values, challenger: int) -> Values:
    """Per unit (units,), unbiased for challenger less control (variant 0).

    `served` (units,): who did; `propensity` (units, variants): with which probability each would have. The mean
    of earlier values is taken off first: known before the unit, it biases nothing and takes out what all share.
    """
    rows = np.arange(len(values))
    before = np.concatenate(([0.0], np.cumsum(values)[:-1])) / np.maximum(rows, 1)
    sign = (served == challenger) / propensity[:, challenger] - (served == 0) / propensity[:, 0]
    weighted: Values = (values - before) * sign
    return weighted
