"""The parameters of each strategy, as configuration: one section an id beyond what all of them share."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from gal_friday_core.extensions.offers import unknown
from gal_friday_core.section import LOOSER_UP, Section

Distance = Annotated[Decimal, Field(gt=0, lt=1)]


class StrategyConfig(Section):
    """What every strategy reads, and the one parameter of `threshold`."""

    id: str = Field(
        "threshold",
        description="Which strategy turns predictions, or bars, into signals: threshold, cost_and_volatility, "
        "ema_cross, or one of an installed package",
    )
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

    @field_validator("id")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if problem := unknown("strategy", value, "strategy.id"):
            raise ValueError(problem)
        return value


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


class EmaCrossConfig(Section):
    """Parameters of the strategy `ema_cross`: a fast average of closes crosses above a slow one; it needs no model."""

    fast: int = Field(12, ge=1, le=199, description="Bars in the fast average")
    slow: int = Field(26, ge=2, le=200, description="Bars in the slow average, more than in the fast one")
    stop: Distance = Field(
        Decimal("0.01"), description="Stop below the price decided on, as a fraction of it"
    )
    target: Distance = Field(
        Decimal("0.02"), description="Target above the price decided on, as a fraction of it"
    )

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError("ema_cross.fast must be less than ema_cross.slow")
        return self


def contradiction(strategy_id: str, *, label_set: str, sizing: str) -> str:
    """Why a strategy cannot trade with other settings as they are; empty where it can.

    `cost_and_volatility` prices a trade by where its barriers stand: far out of reach they say nothing.
    """
    if strategy_id == "cost_and_volatility" and label_set == "fixed-horizon-v1":
        return (
            "labels.set fixed-horizon-v1 goes with strategy.id threshold: "
            "cost_and_volatility prices trades by barriers that they are meant to reach"
        )
    if strategy_id == "ema_cross" and sizing == "volatility_scaled":
        return (
            "risk.sizing fixed_fractional goes with strategy.id ema_cross: "
            "volatility_scaled sizes by the features of a prediction, and a rule of bars has none"
        )
    return ""
