"""Recorded one-minute candles as the market of the simulated exchange: real prices, generated traders around them."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from gal_friday_adapters.history.naming import Overrides, unsaid
from gal_friday_adapters.history.raw import checked
from gal_friday_adapters.history.sources import LeftOut, sources
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import REACH
from gal_friday_core.venue.candle_path import CandlePath
from gal_friday_core.venue.listings import DEMO_LISTINGS, Listing
from gal_friday_core.venue.markets import GeneratedMarket, OutsideMarket

NAMED = (".csv", ".parquet")
"""Files of candles that are no archive."""


@dataclass(frozen=True, slots=True)
class CandleMarket:
    """One pair's listing and market; the venue is to begin at `start_ns`. `history` are the bars before."""

    listing: Listing
    market: OutsideMarket
    history: Candles
    start_ns: int
    end_ns: int


def candle_market(
    path: Path, *, seed: int, pair: str | None = None, start_ns: int | None = None
) -> CandleMarket:
    """The market of a candle file. `start_ns` leaves, by default, the bars that features reach back over, or
    half of the file where it is short.

    Raises DataError for a file that is damaged, ambiguous, or of a pair that the venue does not list.
    """
    candles = read_candles(path, pair)
    listing = _listed(candles, path)
    if start_ns is None:
        start_ns = int(candles.ts[min(REACH, len(candles) // 2)])
    way = CandlePath(candles, start_ns)
    opening = Decimal(repr(way.at(start_ns)[0])).quantize(listing.tick_size)
    listing = replace(listing, start_price=opening)
    # As much money in the book as at the price that the listing's sizes were made for.
    scale = float(_listed(candles, path).start_price / opening)
    market = GeneratedMarket(listing, seed, path=way, size_scale=scale)
    return CandleMarket(listing, market, way.history, start_ns, way.end_ns)


def read_candles(path: Path, pair: str | None = None) -> Candles:
    """The candles of one file, checked. Raises DataError where it holds none, several series, or damage."""
    said = Overrides(pair=pair) if pair else Overrides()
    if path.suffix.lower() in NAMED and path.is_file() and unsaid(path.name, said):
        raise DataError(
            f"{path}: the name does not say which candles these are: rename it as XBTUSD_1.csv or "
            "bitfinex_BTCUSD_1m_2017.parquet are named"
        )
    found = list(sources([path], said))
    for item in found:
        if isinstance(item, LeftOut) and item.refused:
            raise DataError(item.reason if item.name in item.reason else f"{item.name}: {item.reason}")
    readable = [item for item in found if not isinstance(item, LeftOut)]
    if len(readable) != 1:
        names = ", ".join(item.name for item in readable) or "none"
        raise DataError(f"{path}: a market needs one candle file; found {names}")
    candles, _ = checked(readable[0].read(), skip_bad_rows=False)
    if len(candles) < 2:
        raise DataError(f"{path}: {len(candles)} candles make no market")
    return candles


def _listed(candles: Candles, path: Path) -> Listing:
    for listing in DEMO_LISTINGS:
        if listing.symbol == candles.series.pair:
            return listing
    known = ", ".join(listing.symbol for listing in DEMO_LISTINGS)
    raise DataError(f"{path} holds {candles.series.pair}; the simulated exchange lists {known}: give --pair")
