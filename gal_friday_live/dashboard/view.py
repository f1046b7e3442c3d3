"""What a page is given to draw itself: the engine's last numbers and how old they are, the journal, the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.times import SECOND_NS
from gal_friday_live.configuration import ConfigurationManager

EngineState = Literal["live", "hung", "gone"]
"""It answers; it is there and does not answer; nobody is there."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine said last. Only a `live` reading's numbers are those of now.

    `since_ns`: from when on the state holds. `at_ns`: when `metrics` were told; None where the engine never did.
    """

    state: EngineState
    since_ns: int
    metrics: Mapping[str, Any] = field(default_factory=dict)
    at_ns: int | None = None
    problem: str = ""

    @property
    def live(self) -> bool:
        return self.state == "live"

    def age_s(self, now_ns: int) -> float | None:
        """How old the numbers are."""
        return None if self.at_ns is None else (now_ns - self.at_ns) / SECOND_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look of one browser. `database` may only be read, and is None where none is at hand.

    `query` is the address's part after the question mark, the first of each name.
    """

    manager: ConfigurationManager
    database: Database | None
    reading: Reading
    now_ns: int
    query: Mapping[str, str] = field(default_factory=dict)
    csrf: str = ""
    """The session's token that every form and request that changes something must carry."""
