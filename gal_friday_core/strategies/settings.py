"""The parameters of each strategy, as configuration: one section an id beyond what all of them share."""

from typing import Literal

from pydantic import Field

from gal_friday_core.section import LOOSER_UP, Section

StrategyId = Literal["threshold", "cost_and_volatility"]


class StrategyConfig(Section):
    """What every strategy reads, and the one parameter of `threshold`."""

    id: StrategyId = Field("threshold", description="Which strategy turns predictions into signals")
    margin: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="threshold: added to the model's own break-even probability before a trade",
    )
    max_signal_age_s: float = Field(
        30.0,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="A signal on older data is stale and rejected",
    )


class CostAndVolatilityConfig(Section):
    """Parameters of the strategy `cost_and_volatility`: the probability against what this trade costs and may win."""

    min_edge: float = Field(
        0.0005, ge=0, lt=1, description="Least expected net return of a trade, costs of both legs paid"
    )
    min_edge_to_risk: float = Field(
        0.05, ge=0, description="Least expected net return as a share of what the stop loses"
    )
    min_move_to_cost: float = Field(
        2.0,
        ge=0,
        description="One volatility over the horizon must be so many times the costs of a round trip",
    )
    max_bar_volatility: float = Field(
        0.02, gt=0, description="volatility_60 above which nothing is entered: the stop would not hold"
    )
    min_probability: float = Field(
        0.0, ge=0, le=1, description="Probability below which nothing is entered, whatever it promises"
    )
