"""What the journal keeps of a bar and the features that were made of it: the bar as it was heard, the row bit for bit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Series
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.live_records import FEATURES
from gal_friday_core.payloads import MarketDataOHLCV

KIND = FEATURES


def key_of(series: Series, schema: FeatureSchema, close_ns: int) -> str:
    """One row a bar and schema."""
    return f"{series.key}@{close_ns}#{schema.hash[:12]}"


def feature_record(
    series: Series, schema: FeatureSchema, bar: MarketDataOHLCV, row: NDArray[np.float64]
) -> dict[str, Any]:
    """`bar` is open, high, low, close and volume; `values` the row's little-endian float64, in JSON as base64."""
    return {
        "series": series.key,
        "schema": schema.hash,
        "bar": (bar.open, bar.high, bar.low, bar.close, bar.volume),
        "values": row.astype("<f8", copy=False).tobytes(),
    }
