"""Which column came of which, as Dagster's column lineage shows it. What a test finds by changing the bars is what stands here."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.live_records import Predictions

CLOSE = ("close",)
RANGE = ("high", "low", "close")
WHOLE = ("open", *RANGE)
TIME = ("ts",)

FROM_CANDLES: Mapping[str, tuple[str, ...]] = {
    "stochastic": RANGE,
    "atr": RANGE,
    "range": RANGE,
    "candle_range": RANGE,
    "candle_body": WHOLE,
    "upper_wick": WHOLE,
    "lower_wick": WHOLE,
    "volume": ("volume",),
    "volume_flow": ("close", "volume"),
    "vwap": (*RANGE, "volume"),
    "time_of_day": TIME,
    "day_of_week": TIME,
    "missing_bars": TIME,
}
"""Begin of a feature's name → columns of a candle that its formula reads; every other feature reads closes alone.

A hole in time makes every feature begin anew, which is no column of any formula.
"""

LABEL = ("t1_ns", "net_return", "outcome")


def read_by(feature: str) -> tuple[str, ...]:
    """Columns of a candle that the feature is made of.

    >>> read_by("volume_flow_60"), read_by("rsi_14")
    (('close', 'volume'), ('close',))
    """
    begins = [name for name in FROM_CANDLES if feature.startswith(name)]
    return FROM_CANDLES[max(begins, key=len)] if begins else CLOSE


def of_features(schema: FeatureSchema) -> dg.TableColumnLineage:
    """Of a feature table, from `candles`."""
    return _lineage(
        {"ts": [("candles", TIME)]} | {name: [("candles", read_by(name))] for name in schema.names}
    )


def of_labels() -> dg.TableColumnLineage:
    """Of `live_labels`: a prediction as it was made, and what the bars after it say."""
    same = {name: [("live_predictions", (name,))] for name in Predictions.__slots__}
    asked = ("live_predictions", ("model_id", "t0_ns"))
    return _lineage(same | {name: [asked, ("candles", ("ts", *WHOLE))] for name in LABEL})


def _lineage(columns: Mapping[str, Sequence[tuple[str, Iterable[str]]]]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=column)
                for asset, read in sources
                for column in read
            ]
            for name, sources in columns.items()
        }
    )
