"""Where stop, target and the end in time stand: as the label has them, for every strategy."""

import math
from decimal import Decimal

from gal_friday_core.barriers import widths
from gal_friday_core.config import BarriersConfig
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import from_float
from gal_friday_core.strategies.protocol import Proposal, Situation

VOLATILITY = "volatility_60"
"""The feature that every width is made from."""


def volatility_of(features: FeatureVector | None) -> float:
    """The standard deviation of one bar's log return; NaN where the feature set has none."""
    place = None if features is None else features.schema.places.get(VOLATILITY)
    return math.nan if features is None or place is None else features.values.item(place)


def time_exit(situation: Situation, barriers: BarriersConfig) -> Proposal | None:
    """A sale at market once the position is held for `horizon_bars` bars.

    It fills at the open where the label's vertical barrier stands.
    """
    if situation.exit_pending or situation.bars_held < barriers.horizon_bars:
        return None
    return Proposal(side="SELL", reason="HORIZON_REACHED")


def reach(volatility: float, barriers: BarriersConfig) -> tuple[float, float]:
    """Widths of target and stop as fractions of the price; NaN where the volatility is."""
    up, down = widths(
        volatility,
        barriers.horizon_bars,
        barriers.target_volatility,
        barriers.stop_volatility,
        barriers.min_width,
        barriers.max_width,
    )
    return up, down


def protective_prices(
    reference: Decimal, volatility: float, barriers: BarriersConfig, instrument: Instrument
) -> tuple[Decimal, Decimal] | None:
    """Stop and target on ticks, or None where they cannot be told apart from the price.

    That is the case for an unknown volatility, and for a tick so coarse that the stop, rounded up, would
    reach the reference price. Each is rounded **up** to a tick: the stop is never hit later and the target
    never sooner than the label's, so rounding can cost a win but never invent one.
    """
    up, down = reach(volatility, barriers)
    price = float(reference)
    if not (up > 0 and 0 < down < 1 and price > 0):
        return None
    return on_ticks(reference, from_float(price * (1 - down)), from_float(price * (1 + up)), instrument)


def on_ticks(
    reference: Decimal, stop: Decimal, target: Decimal, instrument: Instrument
) -> tuple[Decimal, Decimal] | None:
    """Both rounded up to a tick, or None where the price does not lie between them any more."""
    stop, target = instrument.price_up(stop), instrument.price_up(target)
    return (stop, target) if stop < reference < target else None
