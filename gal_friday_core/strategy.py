"""What to propose at the close of a bar: long only, one trade a pair, the very trade that the label describes.

`Strategy` is the protocol, `ThresholdStrategy` the rule shipped. A proposal carries no quantity: sizing
is `gal_friday_core.risk`'s decision. Nothing here remembers anything between two bars.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from gal_friday_core.barriers import widths
from gal_friday_core.config import BarriersConfig, StrategyConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO, from_float
from gal_friday_core.payloads import Side

Reason = Literal["PROBABILITY_ABOVE_THRESHOLD", "HORIZON_REACHED", "LIQUIDATION"]
"""Why a trade is proposed. A strategy never liquidates: that is a halt's doing, asked for by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a decision may depend on, at the close of one bar.

    `probability` is the model's calibrated output and `entry_threshold` that model's own break-even
    probability, both in [0, 1] or NaN where unknown; `volatility` is the feature `volatility_60`;
    `reference_price` is the bar's close. `bars_held` counts closed bars since the entry filled, the bar
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One wish to trade. An exit has neither stop nor target."""

    side: Side
    reason: Reason
    entry_type: Literal["MARKET", "LIMIT"] = "MARKET"
    entry_price: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None


class Strategy(Protocol):
    """Decides from one situation; the same situation always gives the same proposal."""

    @property
    def id(self) -> str: ...

    def decide(self, situation: Situation) -> Proposal | None: ...


class ThresholdStrategy:
    """Buy when the model is more certain than break-even plus a margin; leave by stop, target or time.

    Exits first: a position held for `horizon_bars` bars is sold at market, so that it fills at the open
    where the label's vertical barrier stands. Stop and target stand where the label puts them, each
    rounded **up** to a tick: the stop is never hit later and the target never sooner than the label's,
    so rounding can cost a win but never invent one.
    """

    def __init__(self, strategy: StrategyConfig, barriers: BarriersConfig) -> None:
        self._margin = strategy.margin
        self._barriers = barriers
        self.id: str = strategy.id

    def decide(self, situation: Situation) -> Proposal | None:
        """The exit that is due, else the entry that pays, else None."""
        if situation.quantity > 0:
            return self._exit(situation)
        if situation.entry_pending or situation.exit_pending:
            return None
        if not self.is_likely_enough(situation.probability, situation.entry_threshold):
            return None
        return self._entry(situation)

    def is_likely_enough(self, probability: float, entry_threshold: float) -> bool:
        """Whether an entry pays. NaN compares false on either side: what is not known is not traded."""
        return probability >= entry_threshold + self._margin

    def _exit(self, situation: Situation) -> Proposal | None:
        if situation.exit_pending or situation.bars_held < self._barriers.horizon_bars:
            return None
        return Proposal(side="SELL", reason="HORIZON_REACHED")

    def _entry(self, situation: Situation) -> Proposal | None:
        protection = protective_prices(
            situation.reference_price, situation.volatility, self._barriers, situation.instrument
        )
        if protection is None:
            return None
        stop, target = protection
        return Proposal(side="BUY", reason="PROBABILITY_ABOVE_THRESHOLD", stop=stop, target=target)


def protective_prices(
    reference: Decimal, volatility: float, barriers: BarriersConfig, instrument: Instrument
) -> tuple[Decimal, Decimal] | None:
    """Stop and target on ticks, or None where they cannot be told apart from the price.

    That is the case for an unknown volatility, and for a tick so coarse that the stop, rounded up,
    would reach the reference price.
    """
    up, down = widths(
        volatility,
        barriers.horizon_bars,
        barriers.target_volatility,
        barriers.stop_volatility,
        barriers.min_width,
        barriers.max_width,
    )
    price = float(reference)
    if not (up > 0 and 0 < down < 1 and price > 0):
        return None
    stop = instrument.price_up(from_float(price * (1 - down)))
    target = instrument.price_up(from_float(price * (1 + up)))
    return (stop, target) if stop < reference < target else None
