"""What every part of the configuration is made of."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Fraction = Annotated[Decimal, Field(ge=0, le=1)]
PositiveMoney = Annotated[Decimal, Field(gt=0)]

LOOSER_UP: dict[str, JsonValue] = {"looser": "up"}
"""A limit that allows more the higher it is; unset allows all."""
LOOSER_DOWN: dict[str, JsonValue] = {"looser": "down"}
"""A limit that allows more the lower it is."""


class Section(BaseModel):
    """Frozen; an unknown key is an error, and no message shows a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
