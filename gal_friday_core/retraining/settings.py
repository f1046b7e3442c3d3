"""When a model is trained again, and what its successor has to show: the configuration section `retraining`."""

from typing import Literal

from pydantic import Field

from gal_friday_core.section import Section


class RetrainingConfig(Section):
    """Requests come from drift, decay, age and new data; each runs once, and not too often."""

    promote: Literal["ask", "auto"] = Field(
        "ask",
        description="Whether a successor that passed certificate and shadow period is promoted by itself",
    )
    cool_down_h: float = Field(
        24.0, ge=0, description="Hours after a retraining began in which none is begun of the same model type"
    )
    runs_a_week: int = Field(
        3, ge=0, le=100, description="Retrainings of a model type within seven days, at most"
    )
    cpu_minutes_a_week: float = Field(
        600.0,
        ge=0,
        description="Processor minutes of all retrainings within seven days, after which none begins",
    )
    max_age_days: float = Field(
        30.0, ge=0, description="A model whose newest bar is older is trained again; 0 is never"
    )
    new_data_share: float = Field(
        0.25,
        ge=0,
        description="Trained again once so many bars more are there, as a share of those it learnt from; 0 is never",
    )
    shadow_days: float = Field(
        7.0,
        ge=0,
        description="Days of recorded predictions in the shadow of production, before a successor is judged",
    )
    shadow_predictions: int = Field(
        5_000, ge=1, description="Predictions with a known label that stand in for those days"
    )
    max_shadow_days: float = Field(
        30.0,
        ge=0,
        description="Days after its training began on which an undecided successor leaves the shadow; 0 is never",
    )
    min_shadow_labels: int = Field(
        30,
        ge=2,
        description="Labels that share no time, of bars that both models predicted, below which nothing is judged",
    )
