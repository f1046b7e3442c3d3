"""The public REST endpoints: from what the exchange remembers to the shapes that Kraken answers with."""

from collections.abc import Callable, Mapping
from typing import Any

from gal_friday_adapters.simulated_kraken.bars import INTERVALS, DayStatistics
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.market import Level, PairMarket
from gal_friday_adapters.simulated_kraken.names import Directory, answer_key
from gal_friday_adapters.simulated_kraken.public_feed import rounded
from gal_friday_adapters.simulated_kraken.text import fixed, rfc1123, second_iso
from gal_friday_core.errors import ExchangeError
from gal_friday_core.money import ZERO
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.error_texts import UNKNOWN_PAIR, invalid
from gal_friday_core.venue.listings import Asset, FeeSteps, Listing
from gal_friday_core.venue.updates import TradeUpdate

PRICE_DIGITS = 5
"""`Depth`, `Ticker` and `Trades` show at least so many decimals."""
UNKNOWN_ASSET = "EQuery:Unknown asset"
UNKNOWN_METHOD = "EGeneral:Unknown method"
SIDES = {"buy": "b", "sell": "s"}
TYPES = {"limit": "l", "market": "m"}

Answer = dict[str, Any]


class PublicRest:
    """Answers by method name. `status` tells the engine's mode."""

    def __init__(
        self, directory: Directory, markets: Mapping[str, PairMarket], status: Callable[[], str]
    ) -> None:
        self._directory = directory
        self._markets = markets
        self._status = status
        self._methods: dict[str, Callable[[Fields, int], Answer]] = {
            "Time": self._time,
            "SystemStatus": self._system_status,
            "Assets": self._assets,
            "AssetPairs": self._asset_pairs,
            "Ticker": self._ticker,
            "OHLC": self._ohlc,
            "Depth": self._depth,
            "Trades": self._trades,
            "Spread": self._spread,
        }

    def answer(self, method: str, fields: Fields, now_ns: int) -> Answer:
        """The `result`. Raises ExchangeError with Kraken's error text."""
        if method not in self._methods:
            raise ExchangeError(UNKNOWN_METHOD)
        return self._methods[method](fields, now_ns)

    def _time(self, _: Fields, now_ns: int) -> Answer:
        return {"unixtime": now_ns // SECOND_NS, "rfc1123": rfc1123(now_ns)}

    def _system_status(self, _: Fields, now_ns: int) -> Answer:
        return {"status": self._status(), "timestamp": second_iso(now_ns)}

    def _assets(self, fields: Fields, _: int) -> Answer:
        asked = fields.texts("asset")
        assets = [self._asset(name) for name in asked] if asked else list(self._directory.assets.values())
        return {
            asset.rest_id: {
                "aclass": "currency",
                "altname": asset.altname,
                "decimals": asset.decimals,
                "display_decimals": asset.display_decimals,
                "status": "enabled",
            }
            for asset in assets
        }

    def _asset_pairs(self, fields: Fields, _: int) -> Answer:
        return {key: asset_pair(market.listing) for key, market in self._asked(fields)}

    def _ticker(self, fields: Fields, now_ns: int) -> Answer:
        return {key: ticker(market, now_ns) for key, market in self._asked(fields)}

    def _ohlc(self, fields: Fields, now_ns: int) -> Answer:
        key, market = self._one(fields)
        minutes = fields.integer("interval") if "interval" in fields else 1
        if minutes not in INTERVALS:
            raise ExchangeError(invalid("interval"))
        since = fields.unix_time("since", now_ns) or 0
        rows = market.bars.rows(minutes, now_ns)
        digits = market.listing.price_decimals
        shown = [
            [
                bar.begin_ns // SECOND_NS,
                *(fixed(price, digits) for price in (bar.open, bar.high, bar.low, bar.close)),
                fixed(bar.vwap, digits if bar.volume else 1),
                fixed(bar.volume, market.listing.quantity_decimals),
                bar.trades,
            ]
            for bar in rows
            if bar.begin_ns >= since
        ]
        committed = rows[-2] if len(rows) > 1 else rows[-1]
        return {key: shown, "last": committed.begin_ns // SECOND_NS}

    def _depth(self, fields: Fields, _: int) -> Answer:
        key, market = self._one(fields)
        count = fields.integer("count") if "count" in fields else 100
        if not 1 <= count <= 500:
            raise ExchangeError(invalid("count"))
        digits = _shown_digits(market.listing)
        return {
            key: {"asks": _levels(market.asks(count), digits), "bids": _levels(market.bids(count), digits)}
        }

    def _trades(self, fields: Fields, _: int) -> Answer:
        key, market = self._one(fields)
        since = _since_ns(fields)
        count = fields.integer("count") if "count" in fields else 1000
        if not 1 <= count <= 1000:
            raise ExchangeError(invalid("count"))
        newer = [trade for trade in market.trades if trade.timestamp > since]
        shown = newer[:count] if since else newer[-count:]
        last = shown[-1].timestamp if shown else since
        return {key: [_trade(trade, market.listing) for trade in shown], "last": str(last)}

    def _spread(self, fields: Fields, now_ns: int) -> Answer:
        key, market = self._one(fields)
        since = fields.unix_time("since", now_ns) or 0
        digits = _shown_digits(market.listing)
        rows = [
            [spread.time_ns // SECOND_NS, fixed(spread.bid, digits), fixed(spread.ask, digits)]
            for spread in market.spreads
            if spread.time_ns >= since
        ]
        return {key: rows, "last": rows[-1][0] if rows else since // SECOND_NS}

    def _asset(self, name: str) -> Asset:
        asset = self._directory.asset(name)
        if asset is None:
            raise ExchangeError(UNKNOWN_ASSET)
        return asset

    def _asked(self, fields: Fields) -> list[tuple[str, PairMarket]]:
        names = fields.texts("pair") or tuple(
            listing.rest_id for listing in self._directory.listings.values()
        )
        return [self._named(name) for name in names]

    def _one(self, fields: Fields) -> tuple[str, PairMarket]:
        return self._named(fields.text("pair"))

    def _named(self, name: str) -> tuple[str, PairMarket]:
        listing = self._directory.pair(name)
        if listing is None:
            raise ExchangeError(UNKNOWN_PAIR)
        return answer_key(name, listing), self._markets[listing.symbol]


def asset_pair(listing: Listing) -> Answer:
    """One entry of `AssetPairs`; nothing is lent here, so there is no leverage."""
    return {
        "altname": listing.altname,
        "wsname": listing.wsname,
        "aclass_base": "currency",
        "base": listing.base.rest_id,
        "aclass_quote": "currency",
        "quote": listing.quote.rest_id,
        "lot": "unit",
        "cost_decimals": listing.cost_decimals,
        "pair_decimals": listing.price_decimals,
        "lot_decimals": listing.quantity_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": fee_steps(listing.taker_fees),
        "fees_maker": fee_steps(listing.maker_fees),
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": format(listing.quantity_min, "f"),
        "costmin": format(listing.cost_min, "f"),
        "tick_size": format(listing.tick_size, "f"),
        "status": listing.status,
        "long_position_limit": 0,
        "short_position_limit": 0,
    }


def fee_steps(steps: FeeSteps) -> list[list[float]]:
    """`[[volume, per cent]]`: plain JSON numbers, as Kraken sends them."""
    return [[volume, float(percent)] for volume, percent in steps]


def ticker(market: PairMarket, now_ns: int) -> Answer:
    """One entry of `Ticker`: [today, last 24 hours] where there are two."""
    listing = market.listing
    digits = _shown_digits(listing)
    today, day = market.bars.today(now_ns), market.bars.last_day(now_ns)
    bid, ask = (level or (ZERO, ZERO) for level in market.best())
    last_quantity = market.trades[-1].qty if market.trades else ZERO
    return {
        "a": [fixed(ask[0], digits), str(int(ask[1])), fixed(ask[1], 3)],
        "b": [fixed(bid[0], digits), str(int(bid[1])), fixed(bid[1], 3)],
        "c": [fixed(market.bars.last_price(), digits), fixed(last_quantity, listing.quantity_decimals)],
        "v": [fixed(part.volume, listing.quantity_decimals) for part in (today, day)],
        "p": [_vwap(part, digits) for part in (today, day)],
        "t": [today.trades, day.trades],
        "l": [fixed(today.low, digits), fixed(day.low, digits)],
        "h": [fixed(today.high, digits), fixed(day.high, digits)],
        "o": fixed(today.open, digits),
    }


def _vwap(part: DayStatistics, digits: int) -> str:
    return fixed(rounded(part.vwap, digits), digits)


def _shown_digits(listing: Listing) -> int:
    return max(PRICE_DIGITS, listing.price_decimals)


def _levels(levels: list[Level], digits: int) -> list[list[str | int]]:
    return [
        [fixed(level.price, digits), fixed(level.quantity, 3), level.time_ns // SECOND_NS] for level in levels
    ]


def _trade(trade: TradeUpdate, listing: Listing) -> list[str | int | float]:
    return [
        fixed(trade.price, _shown_digits(listing)),
        fixed(trade.qty, listing.quantity_decimals),
        trade.timestamp / SECOND_NS,
        SIDES[trade.side],
        TYPES[trade.ord_type],
        "",
        trade.trade_id,
    ]


def _since_ns(fields: Fields) -> int:
    """`since` is a nanosecond id, or plain seconds (ccxt sends those)."""
    if "since" not in fields:
        return 0
    since = fields.number("since")
    return int(since) if since >= SECOND_NS * SECOND_NS // 10 else int(since * SECOND_NS)
