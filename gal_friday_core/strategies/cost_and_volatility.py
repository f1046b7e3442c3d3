"""Buy when the probability pays for this very trade: what it costs, what it may win and lose at this volatility.

The model's break-even is an average over the history it was trained on. Here it is reckoned anew for each bar:
a target `up` and a stop `down` away win `up - c` or lose `down + c`, where `c` are the costs of a round trip, so
the expected net return is `p (up - c) - (1 - p) (down + c) = p (up + down) - down - c`, above zero from
`p* = (down + c) / (up + down)` on. In a quiet market `c` weighs more and `p*` rises; in a wild one the stop may
not hold where it stands, and nothing is entered.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import BarriersConfig, CostAndVolatilityConfig, CostsConfig
from gal_friday_core.strategies.protection import protective_prices, reach, time_exit
from gal_friday_core.strategies.protocol import Proposal, Situation


class CostAndVolatilityStrategy:
    """Leaves by stop, target or time, as the label does."""

    rule = None

    def __init__(
        self, parameters: CostAndVolatilityConfig, barriers: BarriersConfig, costs: CostsConfig
    ) -> None:
        self._parameters = parameters
        self._barriers = barriers
        self._target_cost = float(costs.taker_fee * 2 + costs.slippage)
        self._stop_cost = float(costs.taker_fee * 2 + costs.slippage * 2)
        self.id = "cost_and_volatility"

    @property
    def earliest_exit(self) -> int:
        return self._barriers.horizon_bars

    def is_likely_enough(self, probability: float, entry_threshold: float) -> bool:
        """The rest depends on the volatility, which costs more to look up. NaN is never enough."""
        del entry_threshold
        return probability >= self._parameters.min_probability

    def candidates(self, probabilities: NDArray[np.float64], entry_threshold: float) -> NDArray[np.bool_]:
        del entry_threshold
        return probabilities >= self._parameters.min_probability

    def decide(self, situation: Situation) -> Proposal | None:
        if situation.quantity > 0:
            return time_exit(situation, self._barriers)
        if situation.entry_pending or situation.exit_pending or not self._pays(situation):
            return None
        protection = protective_prices(
            situation.reference_price, situation.volatility, self._barriers, situation.instrument
        )
        if protection is None:
            return None
        stop, target = protection
        return Proposal(side="BUY", reason="EDGE_AFTER_COSTS", stop=stop, target=target)

    def edge(self, probability: float, volatility: float) -> tuple[float, float]:
        """Expected net return of a trade, and what its stop would lose, both as fractions of the price.

        A target is a limit order and gives up no price; a stop does, as does the entry. NaN where unknown.
        """
        up, down = reach(volatility, self._barriers)
        lost = down + self._stop_cost
        return probability * (up - self._target_cost) - (1 - probability) * lost, lost

    def _pays(self, situation: Situation) -> bool:
        """Every comparison is false for NaN."""
        asked, volatility = self._parameters, situation.volatility
        move = volatility * math.sqrt(self._barriers.horizon_bars)
        if not (
            situation.probability >= asked.min_probability
            and volatility <= asked.max_bar_volatility
            and move >= asked.min_move_to_cost * self._stop_cost
        ):
            return False
        edge, lost = self.edge(situation.probability, volatility)
        return edge >= asked.min_edge and edge >= asked.min_edge_to_risk * lost
