"""Tries a feature set: live and batch give the same bits, no column knows its future, and each is known when it says."""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, concatenate
from gal_friday_core.extensions.contracts import ColumnStream, FeatureSetExtension
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH
from gal_friday_core.features.schema import Feature
from gal_friday_core.lookahead import past_alone, shuffled_future
from gal_friday_testkit.promise import (
    SERIES,
    broken_off,
    market,
    require,
    require_check,
    same_bits,
    still_market,
)

BARS = 1_200
CUTS = (1, 2, 59, 512, 1_024)
ROWS = 12
"""Single bars that are asked again with their past alone: each costs `REACH` bars."""
COLUMN = re.compile(r"[a-z][a-z0-9_]{0,62}")

Streams = Callable[[int], ColumnStream]


def check_feature_set(given: FeatureSetExtension, *, seed: int = 1) -> None:
    """Everything that a feature set promises. Raises BrokenPromiseError."""
    describes_its_columns(given.features)
    bars = broken_off(market(REACH + BARS, seed))
    check_streams(given.stream, given.features, bars, seed=seed)


def describes_its_columns(features: tuple[Feature, ...]) -> None:
    """Each has a name that is free, a unit, a source, and a warm-up within what a row may depend on."""
    require(features, "a feature set has columns")
    names = [feature.name for feature in features]
    for feature in features:
        name = feature.name
        require(COLUMN.fullmatch(name), "a column's name is a-z, 0-9 and _, a letter first", name)
        require(names.count(name) == 1 and name not in CANDLES_V1.places, "a column's name is its own", name)
        require(feature.unit and feature.source, "a column says its unit and where its formula is from", name)
        require(
            0 <= feature.warmup < REACH, f"a warm-up is 0 to {REACH - 1} bars", f"{name}: {feature.warmup}"
        )


def check_streams(streams: Streams, features: tuple[Feature, ...], bars: Candles, *, seed: int = 1) -> None:
    """What holds for any stream of rows over bars, the kernel's own too."""
    whole = streams(SERIES.interval_ns).extend(bars)
    kind = isinstance(whole, np.ndarray) and whole.dtype == np.float64
    require(kind and whole.shape == (len(bars), len(features)), "extend gives float64 (bars, columns)")
    again = streams(SERIES.interval_ns).extend(bars)
    require(same_bits(whole, again), "the same bars give the same bits", _where(whole, again, features))
    is_known_when_it_says(whole, features)
    gives_the_same_bits_from_any_cut(streams, features, bars, whole)
    shares_nothing(streams, features, bars, whole)
    knows_no_future(streams, features, bars, seed)
    flat = streams(SERIES.interval_ns).extend(still_market(REACH))
    is_known_when_it_says(flat, features, where="in a market that does not move")


def is_known_when_it_says(rows: NDArray[np.float64], features: tuple[Feature, ...], where: str = "") -> None:
    """Unknown (NaN) for the bars of its warm-up, finite from then on, but for a gap that starts it anew."""
    for column, feature in zip(rows.T, features, strict=True):
        early, later = column[: feature.warmup], column[feature.warmup :]
        told = f"{feature.name} {where}".strip()
        require(not np.isinf(column).any(), "no value is infinite", told)
        require(np.isnan(early).all(), f"unknown for its first {feature.warmup} bars", told)
        unknown = int(np.isnan(later).sum())
        require(np.isfinite(later[:1]).all(), f"known from bar {feature.warmup} on", told)
        require(
            unknown <= feature.warmup, "unknown again for no longer than a warm-up", f"{told}: {unknown} bars"
        )


def gives_the_same_bits_from_any_cut(
    streams: Streams, features: tuple[Feature, ...], bars: Candles, whole: NDArray[np.float64]
) -> None:
    """Bar by bar as live, and after any stretch at once, as over the whole array."""
    for cut in CUTS:
        stream = streams(SERIES.interval_ns)
        first = stream.extend(bars[:cut])
        rest = bars[cut : cut + 600]
        taken = zip(*(column.tolist() for column in rest.columns()[:6]), strict=True)
        rows = np.concatenate((first, np.array([stream.update(*bar) for bar in taken])))
        same = same_bits(rows, whole[: len(rows)])
        require(
            same,
            f"live from bar {cut} on, the same bits as in batch",
            _where(rows, whole[: len(rows)], features),
        )


def shares_nothing(
    streams: Streams, features: tuple[Feature, ...], bars: Candles, whole: NDArray[np.float64]
) -> None:
    """Another series' stream beside it changes nothing, and rows that were given stay as they were."""
    mine, other = streams(SERIES.interval_ns), streams(5 * SERIES.interval_ns)
    rows = []
    for bar in zip(*(column[:600].tolist() for column in bars.columns()[:6]), strict=True):
        ts, *numbers = bar
        other.update(ts * 5, *(number * 2 for number in numbers))
        rows.append(mine.update(ts, *numbers))
    kept = np.array(rows)
    require(
        same_bits(kept, whole[:600]),
        "two streams share nothing, and rows are the caller's",
        _where(kept, whole[:600], features),
    )


def knows_no_future(streams: Streams, features: tuple[Feature, ...], bars: Candles, seed: int) -> None:
    """Nothing changes with the bars after it, nor with those more than `REACH` bars before."""

    def decide(history: Candles, now: Candles) -> dict[str, NDArray[np.float64]]:
        stream = streams(now.series.interval_ns)
        known = len(history)
        rows = stream.extend(concatenate([history, now]) if known else now)[known:]
        return {feature.name: rows[:, place] for place, feature in enumerate(features)}

    history, played = bars[:REACH], bars[REACH:]
    require_check(shuffled_future(decide, history, played, seed=seed, cuts=3), "no column knows its future")
    check = past_alone(decide, history, played, reach=REACH - 1, seed=seed, rows=ROWS)
    require_check(check, f"no column depends on more than {REACH} bars")


def _where(one: NDArray[np.float64], other: NDArray[np.float64], features: tuple[Feature, ...]) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"{one.dtype} {one.shape} and {other.dtype} {other.shape}"
    places = np.argwhere(one.view(np.int64) != other.view(np.int64))[:3]
    return ", ".join(f"{features[column].name} at bar {row}" for row, column in places.tolist())
