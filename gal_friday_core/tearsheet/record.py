"""What a run left behind, as everything in this room reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.config import CostsConfig
from gal_friday_core.frictions import Notes
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.performance import Curve, daily_returns
from gal_friday_core.trades import RoundTrips, fills_of, round_trips


@dataclass(frozen=True, eq=False, slots=True)
class RunRecord:
    """One run over stored bars: `bars` by pair, the equity `curve`, every fill once in the order it happened, the
    `entries` as they were sent by client order id, and the `costs` that were paid. Where an exchange gave less away than
    that, its `notes` say what each fill was like. `history`: bars before the first, by pair.
    """

    bars: Mapping[str, Candles]
    curve: Curve
    fills: Sequence[ExecutionReport]
    entries: Mapping[str, Order]
    costs: CostsConfig
    notes: Notes = field(default_factory=Notes)
    history: Mapping[str, Candles] = field(default_factory=dict)
    trips: RoundTrips = field(init=False)
    returns: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.curve.require()
        fills = fills_of(self.fills)
        object.__setattr__(self, "fills", fills)
        object.__setattr__(self, "trips", round_trips(fills))
        object.__setattr__(self, "returns", daily_returns(self.curve.ts, self.curve.equity))


def closed_by(bars: Candles, moment_ns: int) -> int:
    """The row of the last bar that is over at a moment; -1 where none is."""
    return int(np.searchsorted(bars.ts, moment_ns - bars.series.interval_ns, side="right")) - 1
