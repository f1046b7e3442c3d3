"""How history is kept current and judged, and what is learnt from it: sections of the configuration."""

from typing import Literal

from pydantic import Field

from gal_friday_core.section import Section

LabelSetName = Literal[
    "triple-barrier-v1", "fixed-horizon-v1", "meta-trend-v1", "meta-breakout-v1", "meta-reversion-v1"
]


class HistoryConfig(Section):
    """What is fetched by the clock, and from when on stored candles are too old or too full of holes."""

    overlap_bars: int = Field(
        120,
        ge=0,
        le=720,
        description="Bars before the newest stored one that each top-up fetches again: exchanges correct late",
    )
    max_age_minutes: int = Field(
        30, ge=1, description="A traded series whose newest bar closed longer ago is reported as stale"
    )
    max_gap_days: float = Field(
        14.0, gt=0, description="A longer hole inside a series stops everything that is computed from it"
    )


class LabelsConfig(Section):
    set: LabelSetName = Field(
        "triple-barrier-v1",
        description="What a model learns to foresee: the trade between stop, target and horizon; the trade held for "
        "the horizon; or the former only where a primary rule fires, in training as in trading",
    )
