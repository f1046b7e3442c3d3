"""How a tuning of a running engine is tried, and when it counts as a help."""

from pydantic import Field

from gal_friday_core.section import Section
from gal_friday_core.tuning import MOST_PAIRS


class PerformanceConfig(Section):
    """For `gal-friday performance tune`. Nothing is tuned by itself."""

    block_s: float = Field(5.0, gt=0, le=600, description="Seconds of one block, with a tuning or without")
    pairs: int = Field(
        9, ge=3, le=MOST_PAIRS, description="Pairs of blocks for each tuning: one with it, one without"
    )
    level: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="Chance that a run keeps a tuning that does nothing, over all that it tries",
    )
    least_gain: float = Field(0.05, ge=0, lt=1, description="What helps less than this share is not kept")
    memory_mb: float = Field(
        64.0, ge=0, description="A tuning under which the process grows by more is given up at once"
    )
