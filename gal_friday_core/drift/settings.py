"""When a look counts as drift, and what drift does: the configuration section `drift`."""

from decimal import Decimal
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from gal_friday_core.section import Fraction, Section

Step = Literal["note", "shrink", "shadow_only", "roll_back", "halt"]
Steps = tuple[Step, Step, Step, Step]
"""What is done at LOW, MEDIUM, HIGH and CRITICAL."""


class DriftConfig(Section):
    """How drift is looked for, and what each finding does to the model that trades (the `ladder_` keys)."""

    false_discovery_rate: float = Field(
        0.05, gt=0, lt=0.5, description="Share of features told as drifted that in truth are not, at most"
    )
    min_shift: float = Field(
        0.1,
        gt=0,
        description="Shifts smaller than this many standard deviations of the reference are not told",
    )
    min_effective_rows: int = Field(
        20, ge=5, description="Independent rows of a window below which a feature is not judged"
    )
    min_labels: int = Field(
        30, ge=10, description="Known labels that share no time, below which nothing is concluded from them"
    )
    false_alarm_rate: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="Chance that a sound model is ever told, from its promotion on, to perform worse than it says",
    )
    looks_between_alarms: int = Field(
        100_000,
        ge=100,
        description="Labels between two false alarms of the test that finds what began late, on average",
    )
    reference_bars: int = Field(
        200_000,
        ge=1_000,
        description="Bars before its holdout that a model's features are compared with, at most",
    )
    window_bars: int = Field(
        20_000, ge=100, description="Latest bars, and predictions, that are looked at for drift, at most"
    )
    look_every_bars: int = Field(
        60, ge=1, description="Bars after which the sensor `new_bars` asks for a look, beside the hourly one"
    )
    shrink_factor: Fraction = Field(
        Decimal("0.5"),
        description="Of the size that every other rule allows, while the step shrink is in force",
    )
    ladder_data: Steps = Field(
        ("note", "note", "shrink", "shadow_only"),
        description="What drift of features does, at LOW, MEDIUM, HIGH and CRITICAL",
    )
    ladder_prediction: Steps = Field(
        ("note", "note", "shrink", "shadow_only"), description="The same for drift of what the model says"
    )
    ladder_concept: Steps = Field(
        ("note", "shrink", "shadow_only", "shadow_only"),
        description="The same for errors that became more frequent",
    )
    ladder_performance: Steps = Field(
        ("note", "shrink", "shadow_only", "roll_back"),
        description="The same for results below what the model promised",
    )

    @model_validator(mode="after")
    def _stricter_upwards(self) -> Self:
        order = get_args(Step)
        for name in ("ladder_data", "ladder_prediction", "ladder_concept", "ladder_performance"):
            ranks = [order.index(step) for step in getattr(self, name)]
            if ranks != sorted(ranks):
                raise ValueError(
                    f"drift.{name}: worse drift may not have a milder step: name them from mild to strict"
                )
        return self
