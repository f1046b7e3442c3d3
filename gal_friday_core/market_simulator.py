"""A synthetic market for demonstrations: seeded, and never to be taken for a real one.

Prices follow a Markov-switching multifractal (Calvet & Fisher, "How to Forecast Long-Run Volatility:
Regime Switching and the Estimation of Multifractal Processes", Journal of Financial Econometrics 2, 2004):
volatility is a product of independent regimes that last from minutes to weeks, which gives the clustering
at every scale, the fat tails and the slow memory of real returns. On it lie the hours of the day, rare
jumps, bid-ask bounce, and trades whose number follows volatility; a bar in which nobody traded is missing.
Returns carry no planted edge: the expected return is zero, so an honest model finds nothing to trade.
"""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import DAY_NS, HOUR_NS, MINUTE_NS

VENUE = "synthetic"
"""The only venue name that simulated candles may carry."""

ANNUAL_VOLATILITY = 0.7
START_PRICE = 30_000.0
TICK = 0.1
REGIMES = 9
REGIME_SPREAD = 0.45
"""Each regime multiplies the variance by 1 ± this."""
FASTEST_SWITCH = 0.15
"""Chance that the quickest regime is drawn anew in a minute; each slower one lives four times longer."""
JUMPS_A_DAY = 0.2
TAIL = 5.0
"""Degrees of freedom of the shocks (Student's t)."""
TRADES_A_MINUTE = 14.0
HALF_SPREAD = 0.5e-4
YEAR_NS = 365 * DAY_NS

Floats = NDArray[np.float64]


def simulate(series: Series, start_ns: int, bars: int, seed: int) -> Candles:
    """`bars` slots of the time grid from `start_ns` on (rounded up to the grid); slots without a trade have no row.

    The same arguments give the same bits. Raises DataError where the venue is not 'synthetic', so that no
    simulated candle can ever be stored under a real one's name.
    """
    if series.venue != VENUE:
        raise DataError(f"a simulated market must be of venue {VENUE!r}, not {series.venue!r}")
    if bars < 1:
        raise DataError(f"a simulated market needs at least one bar, not {bars}")
    rng = np.random.Generator(np.random.PCG64(seed))
    interval = series.interval_ns
    first = -(-start_ns // interval) * interval
    ts = first + np.arange(bars, dtype=np.int64) * interval
    activity = _hours(ts) * _multifractal(rng, bars, interval)
    sigma = ANNUAL_VOLATILITY * np.sqrt(interval / YEAR_NS) * np.sqrt(activity)
    shocks = rng.standard_t(TAIL, bars) * np.sqrt((TAIL - 2) / TAIL)
    middle = np.cumsum(shocks * sigma + _jumps(rng, bars, interval, sigma))
    before = np.append(0.0, middle[:-1])
    trades = rng.poisson(
        TRADES_A_MINUTE * interval / MINUTE_NS * np.sqrt(activity) * rng.gamma(2.0, 0.5, bars)
    )
    opened, close = before + _bounce(rng, bars), middle + _bounce(rng, bars)
    high, low = _extremes(rng, opened, close, sigma)
    prices = [_priced(path) for path in (opened, high, low, close)]
    volume = _volumes(rng, trades)
    return _traded(series, ts, prices, volume, trades)


def _hours(ts: NDArray[np.int64]) -> Floats:
    """Activity by hour of day, mean 1: low at 04 UTC, highest when Europe and America overlap (15 UTC)."""
    phase = 2 * np.pi * ((ts % DAY_NS) / HOUR_NS - 15.0) / 24.0
    shape: Floats = np.exp(0.45 * np.cos(phase) + 0.15 * np.cos(2 * phase))
    return shape / 1.056  # mean of the shape over a day


def _multifractal(rng: np.random.Generator, bars: int, interval: int) -> Floats:
    """Variance relative to its mean over the stretch: a product of regimes, each kept until its next switch."""
    product = np.ones(bars)
    rows = np.arange(bars)
    for regime in range(REGIMES):
        chance = 1 - (1 - FASTEST_SWITCH) ** (interval / MINUTE_NS / 4.0**regime)
        level = 1 + REGIME_SPREAD * rng.choice((-1.0, 1.0), bars)
        switches = rng.random(bars) < chance
        switches[0] = True
        product *= level[np.maximum.accumulate(np.where(switches, rows, 0))]
    relative: Floats = product / product.mean()
    return relative


def _jumps(rng: np.random.Generator, bars: int, interval: int, sigma: Floats) -> Floats:
    """Rare moves of several sigmas, either way."""
    happens = rng.random(bars) < JUMPS_A_DAY * interval / DAY_NS
    return np.where(happens, rng.standard_normal(bars) * 6.0 * sigma, 0.0)


def _bounce(rng: np.random.Generator, bars: int) -> Floats:
    """A trade happens at the bid or at the ask."""
    return rng.choice((-HALF_SPREAD, HALF_SPREAD), bars)


def _extremes(
    rng: np.random.Generator, opened: Floats, close: Floats, sigma: Floats
) -> tuple[Floats, Floats]:
    """Highest and lowest point of a Brownian bridge between open and close, each by its exact distribution."""
    middle, squared = (opened + close) / 2, (close - opened) ** 2
    reach = [np.sqrt(squared - 2 * sigma**2 * np.log(1 - rng.random(len(sigma)))) / 2 for _ in range(2)]
    return middle + reach[0], middle - reach[1]


def _priced(path: Floats) -> Floats:
    """Log path to prices on the tick grid, positive."""
    ticks = np.rint(START_PRICE * np.exp(path) / TICK)
    return np.maximum(ticks, 1.0) / round(1 / TICK)


def _volumes(rng: np.random.Generator, trades: NDArray[np.int64]) -> Floats:
    """Base units traded: heavy-tailed sizes, in lots of 1e-8."""
    size = 0.02 * np.exp(rng.normal(-0.5, 1.0, len(trades)))
    return np.maximum(np.rint(trades * size * 1e8), 1.0) / 1e8


def _traded(
    series: Series, ts: NDArray[np.int64], prices: list[Floats], volume: Floats, trades: NDArray[np.int64]
) -> Candles:
    """Bars with a trade; a bar of one trade has one price."""
    opened, high, low, close = prices
    single = trades == 1
    opened, high, low = (np.where(single, close, column) for column in (opened, high, low))
    keep = trades > 0
    opened, high, low, close, volume = (column[keep] for column in (opened, high, low, close, volume))
    return Candles(series, ts[keep], opened, high, low, close, volume, trades[keep].astype(np.int64))
