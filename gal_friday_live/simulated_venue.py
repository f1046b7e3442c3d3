"""A simulated Kraken over the market that the user chose: generated, a recorded session, or recorded candles."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gal_friday_adapters.simulated_kraken.candle_market import candle_market
from gal_friday_adapters.simulated_kraken.demo import simulated_kraken
from gal_friday_adapters.simulated_kraken.recording import recorded_markets
from gal_friday_adapters.simulated_kraken.scaled_time import ScaledTime
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_core.candles import Candles
from gal_friday_core.errors import ConfigError
from gal_friday_core.venue.limits import Tier
from gal_friday_core.venue.listings import DEMO_LISTINGS, Listing
from gal_friday_core.venue.markets import OutsideMarket

CASH = {asset: Decimal(10_000) for asset in ("USD", "EUR", "USDT")}
"""An account without coins: what an engine finds that has bought nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What to simulate. `pairs` limits a generated market; `speed` seconds of it pass in one of ours; `funds` are the
    demo account's, a little of everything if left out.
    """

    session: Path | None = None
    candles: Path | None = None
    pairs: tuple[str, ...] = ()
    speed: float = 1.0
    faults: str = ""
    seed: int = 1
    tier: Tier = "pro"
    funds: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVenue:
    """A server that is ready to start, the bars before its first moment, and when its market ends."""

    server: SimulatedKraken
    time: ScaledTime
    history: Candles | None = None
    end_ns: int | None = None


def simulated_server(simulation: Simulation, *, port: int = 0) -> SimulatedVenue:
    """Raises ConfigError for faults that do not exist or two markets at once, DataError for damaged files."""
    if simulation.session is not None and simulation.candles is not None:
        raise ConfigError("one market at a time: give --session or --candles")
    if simulation.candles is not None:
        return _over_candles(simulation, simulation.candles, port)
    scaled = ScaledTime.begin(start_ns=time.time_ns(), speed=simulation.speed)
    if simulation.session is not None:
        listings, recorded = recorded_markets(simulation.session)
        return SimulatedVenue(server=_server(simulation, port, scaled, listings, recorded), time=scaled)
    wanted = simulation.pairs
    chosen = tuple(listing for listing in DEMO_LISTINGS if not wanted or listing.symbol in wanted)
    return SimulatedVenue(server=_server(simulation, port, scaled, chosen, None), time=scaled)


def _over_candles(simulation: Simulation, candles: Path, port: int) -> SimulatedVenue:
    """At the candles' own time, so that bars, features and models stand where they stood."""
    made = candle_market(candles, seed=simulation.seed)
    scaled = ScaledTime.begin(start_ns=made.start_ns, speed=simulation.speed)
    server = _server(simulation, port, scaled, (made.listing,), {made.listing.symbol: made.market})
    return SimulatedVenue(server=server, time=scaled, history=made.history, end_ns=made.end_ns)


def _server(
    simulation: Simulation,
    port: int,
    scaled: ScaledTime,
    listings: tuple[Listing, ...],
    markets: Mapping[str, OutsideMarket] | None,
) -> SimulatedKraken:
    return simulated_kraken(
        seed=simulation.seed, port=port, tier=simulation.tier, faults=simulation.faults, funds=simulation.funds,
        listings=listings, markets=markets, scaled=scaled,
    )  # fmt: skip
