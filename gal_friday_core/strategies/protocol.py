"""What a strategy is asked and what it answers. A proposal carries no quantity: sizing is the risk check's."""

from decimal import Decimal
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import Side

Reason = Literal[
    "PROBABILITY_ABOVE_THRESHOLD", "EDGE_AFTER_COSTS", "RULE_FIRED", "HORIZON_REACHED", "LIQUIDATION"
]
"""Why a trade is proposed. A strategy never liquidates: that is a halt's doing, asked for by name."""


class Situation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that a decision may depend on, at the close of one bar.

    `probability` is the model's calibrated output and `entry_threshold` that model's own break-even
    probability, both in [0, 1] or NaN where unknown; `volatility` is the feature `volatility_60`;
    `reference_price` is the bar's close. `rule_fires` is what the strategy's own rule says of the bar, where it has
    one. `bars_held` counts closed bars since the entry filled, the bar
    of the entry included. `entry_pending` and `exit_pending` tell of market or limit orders, or signals,
    whose end is not known yet; resting protection does not count.
    """

    instrument: Instrument
    reference_price: Decimal
    volatility: float
    probability: float
    entry_threshold: float
    quantity: Decimal = ZERO
    bars_held: int = 0
    entry_pending: bool = False
    exit_pending: bool = False
    rule_fires: bool = False


class Proposal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One wish to trade. An exit has neither stop nor target."""

    side: Side
    reason: Reason
    entry_type: Literal["MARKET", "LIMIT"] = "MARKET"
    entry_price: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None


class RuleStream(Protocol):
    """A rule over the closed bars of one series, each taken once and in order; many at a time give the same answers."""

    def update(self, ts: int, close: float) -> bool:
        """Whether the rule fires at the close of the bar that opened at `ts` (ns UTC)."""
        ...

    def extend(self, candles: Candles) -> NDArray[np.bool_]:
        """`update` for each of these bars: (bars,)."""
        ...


class EntryRule(Protocol):
    """Says of bars alone where an entry is asked for; no model is."""

    @property
    def reach(self) -> int:
        """Bars, its own included, that an answer can depend on."""
        ...

    def stream(self, interval_ns: int) -> RuleStream: ...


NEVER = 2**62
"""More bars than any position is held."""


class Strategy(Protocol):
    """Decides from one situation and remembers nothing: the same situation always gives the same proposal.

    With a `rule` it needs no model: while nothing is held it is asked for an entry where the rule fires, with neither
    probability nor volatility, and no prediction makes it enter.
    """

    @property
    def id(self) -> str: ...

    @property
    def rule(self) -> EntryRule | None: ...

    @property
    def earliest_exit(self) -> int:
        """Bars held, as in `Situation`, before which it never leaves by itself; 1 where any bar may be the last."""
        ...

    def is_likely_enough(self, probability: float, entry_threshold: float) -> bool:
        """The cheap question asked on every prediction: whether an entry is possible at all."""
        ...

    def candidates(self, probabilities: NDArray[np.float64], entry_threshold: float) -> NDArray[np.bool_]:
        """`is_likely_enough` of each prediction of a whole run, bit for bit."""
        ...

    def decide(self, situation: Situation) -> Proposal | None:
        """The exit that is due, else the entry that pays, else None."""
        ...
