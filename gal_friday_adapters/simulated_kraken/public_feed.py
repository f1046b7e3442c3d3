"""Messages of the public channels other than the book: `ticker`, `trade`, `ohlc`, `instrument`, `status`."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken.bars import Bar, Bars
from gal_friday_adapters.simulated_kraken.text import micro_iso
from gal_friday_core.money import RATIO, ZERO
from gal_friday_core.times import MINUTE_NS, to_iso
from gal_friday_core.venue.listings import Asset, Listing
from gal_friday_core.venue.updates import PriceLevel, TradeUpdate

VERSION = "2.0.10"
HUNDRED = Decimal(100)
CENT_OF_PERCENT = Decimal("0.01")


def rounded(number: Decimal, decimals: int) -> Decimal:
    """Half to even, to so many decimals."""
    return number.quantize(Decimal(1).scaleb(-decimals), context=RATIO)


def status(system: str, connection: int) -> dict[str, Any]:
    """What a connection hears first, and whenever the engine's mode changes."""
    entry = {"api_version": "v2", "connection_id": connection, "system": system, "version": VERSION}
    return {"channel": "status", "type": "update", "data": [entry]}


def trade(listing: Listing, update: TradeUpdate) -> dict[str, Any]:
    """One entry of a `trade` message."""
    return {
        "symbol": update.symbol,
        "side": update.side,
        "price": rounded(update.price, listing.price_decimals),
        "qty": rounded(update.qty, listing.quantity_decimals),
        "ord_type": update.ord_type,
        "trade_id": update.trade_id,
        "timestamp": micro_iso(update.timestamp),
    }


def ticker(
    listing: Listing, best: tuple[PriceLevel | None, PriceLevel | None], bars: Bars, now_ns: int
) -> dict[str, Any]:
    """The entry of a `ticker` message; `best` are the best bid and ask. Statistics are of the last 24 hours."""
    day = bars.last_day(now_ns)
    last = bars.last_price()
    change = last - day.open
    bid, ask = (_shown(level, listing) for level in best)
    percent = RATIO.divide(change * HUNDRED, day.open)
    return {
        "symbol": listing.symbol,
        "bid": bid[0],
        "bid_qty": bid[1],
        "ask": ask[0],
        "ask_qty": ask[1],
        "last": last,
        "volume": rounded(day.volume, listing.quantity_decimals),
        "vwap": rounded(day.vwap, listing.price_decimals),
        "low": day.low,
        "high": day.high,
        "change": change,
        "change_pct": percent.quantize(CENT_OF_PERCENT, context=RATIO),
        "timestamp": micro_iso(now_ns),
    }


def _shown(level: PriceLevel | None, listing: Listing) -> PriceLevel:
    price, quantity = level or (ZERO, ZERO)
    return rounded(price, listing.price_decimals), rounded(quantity, listing.quantity_decimals)


def candle(listing: Listing, minutes: int, bar: Bar) -> dict[str, Any]:
    """One entry of an `ohlc` message; `timestamp` is the bar's end (deprecated, still sent)."""
    return {
        "symbol": listing.symbol,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "trades": bar.trades,
        "volume": rounded(bar.volume, listing.quantity_decimals),
        "vwap": rounded(bar.vwap, listing.price_decimals),
        "interval_begin": to_iso(bar.begin_ns),
        "interval": minutes,
        "timestamp": micro_iso(bar.begin_ns + minutes * MINUTE_NS),
    }


def instruments(
    assets: Iterable[Asset], listings: Iterable[Listing], statuses: Mapping[str, str]
) -> dict[str, Any]:
    """The `data` object of an `instrument` message."""
    return {
        "assets": [_asset(asset) for asset in assets],
        "pairs": [pair(listing, statuses.get(listing.symbol, listing.status)) for listing in listings],
    }


def _asset(asset: Asset) -> dict[str, Any]:
    return {
        "id": asset.name,
        "status": "enabled",
        "precision": asset.decimals,
        "precision_display": asset.display_decimals,
        "borrowable": False,
        "collateral_value": Decimal("0.00"),
    }


def pair(listing: Listing, status: str) -> dict[str, Any]:
    """One pair of an `instrument` message."""
    return {
        "symbol": listing.symbol,
        "base": listing.base.name,
        "quote": listing.quote.name,
        "status": status,
        "qty_precision": listing.quantity_decimals,
        "qty_increment": listing.lot,
        "price_precision": listing.price_decimals,
        "cost_precision": listing.cost_decimals,
        "marginable": False,
        "has_index": False,
        "cost_min": listing.cost_min,
        "tick_size": listing.tick_size,
        "price_increment": listing.tick_size,
        "qty_min": listing.quantity_min,
    }
