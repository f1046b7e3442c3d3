"""Column lineage says what a change of the bars says."""

import dataclasses

import numpy as np

from gal_friday_assets.columns import of_features, of_labels, read_by
from gal_friday_assets.definitions import defs
from gal_friday_core.candles import Candles, Series
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.live_records import Predictions

CHANGED = ("open", "high", "low", "close", "volume", "trades")


def bars() -> Candles:
    """Nine hundred, with a hole of three."""
    rng, series = np.random.default_rng(1), Series("kraken", "BTC/USD", "5m")
    close = 1_000 * np.exp(np.cumsum(rng.normal(0, 0.002, 900)))
    opened = np.concatenate(([1_000.0], close[:-1])) * np.exp(rng.normal(0, 0.0005, 900))
    wick = np.exp(np.abs(rng.normal(0, 0.001, (2, 900))))
    place = np.arange(900)
    ts = (place + 3 * (place >= 600) + 5_000_000) * series.interval_ns
    return Candles(
        series, ts, opened, np.maximum(opened, close) * wick[0], np.minimum(opened, close) / wick[1], close,
        rng.uniform(1, 9, 900), np.full(900, 5, np.int64),
    )  # fmt: skip


def test_each_feature_changes_with_the_columns_that_it_names_and_no_others():
    candles = bars()
    before = compute(candles).values
    rng = np.random.default_rng(2)
    found: dict[str, list[str]] = {name: [] for name in CANDLES_V1.names}
    for column in CHANGED:
        old = getattr(candles, column)
        new = old + 3 if column == "trades" else old * np.exp(rng.normal(0, 1e-4, 900))
        after = compute(dataclasses.replace(candles, **{column: new})).values
        for name, differs in zip(CANDLES_V1.names, _differs(before, after), strict=True):
            if differs:
                found[name].append(column)
    said = {name: [column for column in read_by(name) if column != "ts"] for name in CANDLES_V1.names}
    assert found == said


def _differs(one: np.ndarray, other: np.ndarray) -> list[bool]:
    return ((one != other) & ~(np.isnan(one) & np.isnan(other))).any(axis=0).tolist()


def test_lineage_names_every_column_of_the_tables():
    assert set(of_features(CANDLES_V1).deps_by_column) == {"ts", *CANDLES_V1.names}
    labels = of_labels().deps_by_column
    assert set(Predictions.__slots__) < set(labels)
    assert {dep.asset_key.to_user_string() for dep in labels["net_return"]} == {"candles", "live_predictions"}


def test_dagster_has_it():
    for name in ("feature_table", "live_labels"):
        assert "dagster/column_lineage" in defs.get_assets_def(name).specs_by_key[_key(name)].metadata


def _key(name: str):
    return defs.get_assets_def(name).key
