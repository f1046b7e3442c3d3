"""What was observed of an experiment, in the order of its units: paired, or served one by one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.experiments.weighting import differences

Values = NDArray[np.float64]


class Outcomes(Protocol):
    """`at_ns` (units,): the moment that each unit begins. Units are complete up to the last one."""

    @property
    def at_ns(self) -> NDArray[np.int64]: ...

    def difference(self, challenger: int) -> Values:
        """(units,): whose mean is what the challenger gains over the control, a unit."""
        ...

    def own(self, variant: int) -> Values:
        """Outcomes that the variant itself had, in order."""
        ...

    def since(self, variant: int) -> int:
        """Units since its last outcome; all there are where it never had one."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Paired:
    """Every variant at every unit. `values` (units, variants), NaN where a variant said nothing.

    A unit that not all variants know compares nothing: it is left out, and counts against who was silent.
    """

    at_ns: NDArray[np.int64]
    values: Values

    def difference(self, challenger: int) -> Values:
        """The two at the same units: what both share, the market above all, is gone."""
        found: Values = self.values[:, challenger] - self.values[:, 0]
        return found[np.isfinite(found)]

    def own(self, variant: int) -> Values:
        values: Values = self.values[:, variant]
        return values[np.isfinite(values)]

    def since(self, variant: int) -> int:
        known = np.flatnonzero(np.isfinite(self.values[:, variant]))
        return len(self.values) - (int(known[-1]) + 1 if len(known) else 0)


@dataclass(frozen=True, eq=False, slots=True)
class Served:
    """One variant a unit. `values` and `served` (units,), `propensity` (units, variants) as it was at the time.

    A variant that was stopped has none: it is compared over the units at which it could have served.
    """

    at_ns: NDArray[np.int64]
    values: Values
    served: NDArray[np.int64]
    propensity: Values

    def difference(self, challenger: int) -> Values:
        rows = np.flatnonzero((self.propensity[:, challenger] > 0) & (self.propensity[:, 0] > 0))
        return differences(self.values[rows], self.served[rows], self.propensity[rows], challenger)

    def own(self, variant: int) -> Values:
        own: Values = self.values[self.served == variant]
        return own

    def since(self, variant: int) -> int:
        by = self.served[self.propensity[:, variant] > 0]
        known = np.flatnonzero(by == variant)
        return len(by) - (int(known[-1]) + 1 if len(known) else 0)

    def counts(self, split: Values) -> NDArray[np.int64]:
        """Units by variant, of those served with the probabilities `split`."""
        rows = np.isclose(self.propensity, split).all(axis=1)
        found: NDArray[np.int64] = np.bincount(self.served[rows], minlength=len(split))
        return found
