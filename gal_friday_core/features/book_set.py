"""The feature set `book-v1`: what each column of the book kernel means, in the order the kernel writes them.

And `candles-book-v1`, the columns of a bar followed by those of the book at its close.
"""

import math
from dataclasses import replace

from gal_friday_core.features.book_layout import WINDOWS
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import Feature, FeatureSchema
from gal_friday_core.market_events import LEVELS

_FLOW = "Cont, Kukanov and Stoikov, Journal of Financial Econometrics 12, 2014: sum of e_n / mean of (bid_1 + ask_1) / 2"
_SHORTEST_BAR_S = 60


def _book() -> list[Feature]:
    side = f"-1 all asks to 1 all bids, of the best {LEVELS} levels of each side"
    slope = f"log of accumulated depth per percent of price, from the best level to the {LEVELS}th"
    return [
        Feature("spread_pct", "percent of the mid price", 0, "100 * (ask_1 - bid_1) / mid"),
        Feature(
            "microprice_distance",
            "share of the mid price",
            0,
            "Gatheral and Oomen, Finance and Stochastics 14, 2010: (bid_1 * ask_1 size + ask_1 * bid_1 size) "
            "/ (sizes) / mid - 1",
        ),
        *(
            Feature(
                f"book_imbalance_{levels}",
                "-1 all asks to 1 all bids",
                0,
                "(bid depth - ask depth) / (bid depth + ask depth)",
                (("levels", levels),),
            )
            for levels in (1, 5, LEVELS)
        ),
        Feature(f"depth_slope_bid_{LEVELS}", f"{slope}; 0 for one level", 0, _SLOPE, (("levels", LEVELS),)),
        Feature(f"depth_slope_ask_{LEVELS}", f"{slope}; 0 for one level", 0, _SLOPE, (("levels", LEVELS),)),
        Feature(
            f"touch_share_{LEVELS}",
            f"share of the depth of {side.partition(', of ')[2]}",
            0,
            "(bid_1 + ask_1) / (bid depth + ask depth)",
            (("levels", LEVELS),),
        ),
    ]


_SLOPE = "ln(depth / depth_1) / (100 * |price_n - price_1| / mid), after Næs and Skjeltorp, Journal of Financial Markets 9, 2006"


def _windowed(name: str, unit: str, seconds: int, source: str) -> Feature:
    return Feature(f"{name}_{seconds}s", unit, seconds, source, (("seconds", seconds),))


def _book_windows() -> list[Feature]:
    _, middle, _ = WINDOWS
    return [
        *(
            _windowed("order_flow_imbalance", "mean sizes at the best price", seconds, _FLOW)
            for seconds in WINDOWS
        ),
        _windowed("book_updates", "a second", middle, "count / seconds"),
        *(_windowed("mid_return", "log", seconds, "ln(mid / mid[-seconds])") for seconds in WINDOWS),
    ]


def _trade_windows() -> list[Feature]:
    _, middle, longest = WINDOWS
    return [
        *(
            _windowed(
                "signed_volume",
                "-1 all sold to 1 all bought by the taker; 0 without trades",
                seconds,
                "sum of side * quantity / sum of quantity",
            )
            for seconds in WINDOWS
        ),
        *(
            _windowed("trade_intensity", "trades a second", seconds, "count / seconds")
            for seconds in (middle, longest)
        ),
        Feature(
            f"trade_intensity_ratio_{middle}s_{longest}s",
            "ratio; 1 without trades",
            longest,
            f"trade_intensity_{middle}s / trade_intensity_{longest}s",
        ),
        *(
            _windowed(
                "realized_volatility",
                "log over the window; 0 without two trades",
                seconds,
                "Andersen, Bollerslev, Diebold and Labys, Econometrica 71, 2003: square root of the sum of squared "
                "log returns from trade to trade inside the window",
            )
            for seconds in (middle, longest)
        ),
        _windowed(
            "traded_depth",
            "mean sizes at the best price",
            middle,
            "sum of quantity / mean of (bid_1 + ask_1) / 2",
        ),
    ]


BOOK_V1 = FeatureSchema(name="book-v1", revision=1, features=(*_book(), *_book_windows(), *_trade_windows()))
"""Warm-ups in seconds of observation. Raise `revision` with every change of the kernel that changes a number."""


def _in_bars(feature: Feature) -> Feature:
    """The warm-up in bars of a minute; the bar in which observation began does not count."""
    bars = math.ceil(feature.warmup / _SHORTEST_BAR_S) + 1 if feature.warmup else 0
    return replace(feature, warmup=bars)


CANDLES_BOOK_V1 = FeatureSchema(
    name="candles-book-v1",
    revision=CANDLES_V1.revision + BOOK_V1.revision,
    features=(*CANDLES_V1.features, *map(_in_bars, BOOK_V1.features)),
)
"""A bar's features, then those of book and trades at its close. Its hash changes with either kernel."""
