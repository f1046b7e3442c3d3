"""Buy when the model is more certain than break-even plus a margin; leave by stop, target or time."""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import BarriersConfig, StrategyConfig
from gal_friday_core.strategies.protection import protective_prices, time_exit
from gal_friday_core.strategies.protocol import Proposal, Situation


class ThresholdStrategy:
    """The very trade that the label describes, whenever the model's own break-even is passed."""

    rule = None

    def __init__(self, strategy: StrategyConfig, barriers: BarriersConfig) -> None:
        self._margin = strategy.margin
        self._barriers = barriers
        self.id = "threshold"

    @property
    def earliest_exit(self) -> int:
        return self._barriers.horizon_bars

    def is_likely_enough(self, probability: float, entry_threshold: float) -> bool:
        """Whether an entry pays. NaN compares false on either side: what is not known is not traded."""
        return probability >= entry_threshold + self._margin

    def candidates(self, probabilities: NDArray[np.float64], entry_threshold: float) -> NDArray[np.bool_]:
        return probabilities >= entry_threshold + self._margin

    def decide(self, situation: Situation) -> Proposal | None:
        if situation.quantity > 0:
            return time_exit(situation, self._barriers)
        if situation.entry_pending or situation.exit_pending:
            return None
        if not self.is_likely_enough(situation.probability, situation.entry_threshold):
            return None
        protection = protective_prices(
            situation.reference_price, situation.volatility, self._barriers, situation.instrument
        )
        if protection is None:
            return None
        stop, target = protection
        return Proposal(side="BUY", reason="PROBABILITY_ABOVE_THRESHOLD", stop=stop, target=target)
