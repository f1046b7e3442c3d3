"""The limits of the pre-trade check, as configuration.

Each limit says which way it is looser, so that `loosening` can tell when a change of it allows more.
"""

from decimal import Decimal
from typing import Literal

from pydantic import Field, field_validator

from gal_friday_core.extensions.offers import unknown
from gal_friday_core.section import LOOSER_DOWN, LOOSER_UP, Fraction, PositiveMoney, Section


class RiskConfig(Section):
    """Every limit that stands between a signal and an order. None of them keeps back a sell that reduces."""

    sizing: Literal["volatility_scaled", "fixed_fractional"] = Field(
        "fixed_fractional",
        json_schema_extra=LOOSER_UP,
        description="By the distance to the stop; volatility_scaled is never more, and less where the market moves",
    )
    risk_per_trade: Fraction = Field(
        Decimal("0.005"),
        json_schema_extra=LOOSER_UP,
        description="Equity lost when the stop is hit, fees included",
    )
    max_position_volatility: Fraction = Field(
        Decimal("0.01"),
        json_schema_extra=LOOSER_UP,
        description="Only volatility_scaled: what a position may move in a day, one standard deviation, of equity",
    )
    max_pair_exposure: Fraction = Field(
        Decimal("0.25"), json_schema_extra=LOOSER_UP, description="Of equity, worst case, per pair"
    )
    max_total_exposure: Fraction = Field(
        Decimal("0.75"), json_schema_extra=LOOSER_UP, description="Of equity, worst case, all pairs"
    )
    max_correlated_exposure: Fraction = Field(
        Decimal(1),
        json_schema_extra=LOOSER_UP,
        description="Of equity, worst case: the pair, and each other as far as it moves along with it",
    )
    correlation_half_life_bars: int = Field(
        240, ge=2, le=100_000, description="Bars after which a common move counts half in the correlation"
    )
    max_order_value: PositiveMoney | None = Field(
        None, json_schema_extra=LOOSER_UP, description="No single buy is worth more"
    )
    min_order_value: PositiveMoney = Field(Decimal(5), description="Smaller orders are rejected")
    max_daily_drawdown: Fraction = Field(
        Decimal("0.05"),
        json_schema_extra=LOOSER_UP,
        description="Days turn at 00:00 UTC; beyond it trading halts",
    )
    max_weekly_drawdown: Fraction = Field(
        Decimal("0.10"), json_schema_extra=LOOSER_UP, description="Weeks turn on Monday 00:00 UTC"
    )
    max_total_drawdown: Fraction = Field(
        Decimal("0.20"), json_schema_extra=LOOSER_UP, description="From the highest equity ever seen"
    )
    max_losses_in_a_row: int | None = Field(
        None, ge=1, json_schema_extra=LOOSER_UP, description="After so many losing trades entries pause"
    )
    loss_pause_s: float = Field(
        3600.0, ge=0, json_schema_extra=LOOSER_DOWN, description="How long they pause after the last of them"
    )
    max_open_orders: int = Field(
        100,
        ge=1,
        json_schema_extra=LOOSER_UP,
        description="Orders whose end is not known, all pairs, resting protection aside",
    )
    max_orders_per_minute: int = Field(
        60, ge=1, json_schema_extra=LOOSER_UP, description="Approved in any sixty seconds, all pairs"
    )
    halt_orders_per_minute: int = Field(
        300,
        ge=1,
        json_schema_extra=LOOSER_UP,
        description="Orders of all kinds and signals refused as too many or repeated: beyond it trading halts",
    )
    duplicate_window_s: float = Field(
        1.0,
        ge=0,
        json_schema_extra=LOOSER_DOWN,
        description="The same buy (pair, quantity, price) again within so long is a duplicate",
    )
    max_price_deviation: float = Field(
        0.05,
        ge=0,
        le=1,
        json_schema_extra=LOOSER_UP,
        description="Price collar: how far from the middle of the live book an order's price may be",
    )
    max_spread: float = Field(
        0.01,
        ge=0,
        le=1,
        json_schema_extra=LOOSER_UP,
        description="Of the live book, as a fraction of its middle",
    )
    max_slippage: float = Field(
        0.01,
        ge=0,
        le=1,
        json_schema_extra=LOOSER_UP,
        description="A market buy, walked through the live book, above the price that was decided on",
    )
    max_depth_share: float = Field(
        0.5,
        ge=0,
        le=1,
        json_schema_extra=LOOSER_UP,
        description="Of what the live book offers within max_slippage of its best ask",
    )
    ramp_orders: int = Field(
        0,
        ge=0,
        json_schema_extra=LOOSER_DOWN,
        description="The first so many buys of each model are only ramp_fraction of their size; 0 is no ramp",
    )
    ramp_fraction: Fraction = Field(
        Decimal("0.1"), json_schema_extra=LOOSER_UP, description="Of the size that every other rule allows"
    )
    rules: tuple[str, ...] = Field(
        (),
        description="Rules of installed packages, asked in this order after all limits; they can only tighten",
    )
    max_daily_fees: Fraction = Field(
        Decimal(1),
        json_schema_extra=LOOSER_UP,
        description="Of equity, since 00:00 UTC, this trade's two legs included",
    )

    @field_validator("rules")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if problem := unknown("risk-rule", name, "risk.rules"):
                raise ValueError(problem)
        if len(set(value)) < len(value):
            raise ValueError("risk.rules names a rule twice")
        return value
