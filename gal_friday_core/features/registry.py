"""The feature sets that exist, by name."""

from gal_friday_core.errors import ConfigError
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureSchema

FEATURE_SETS = (CANDLES_V1, BOOK_V1, CANDLES_BOOK_V1)


def feature_set(name: str) -> FeatureSchema:
    """The schema of that name.

    >>> feature_set("candles-v1").index("log_return_1")
    0
    """
    for schema in FEATURE_SETS:
        if schema.name == name:
            return schema
    known = ", ".join(schema.name for schema in FEATURE_SETS)
    raise ConfigError(f"unknown feature set {name!r}: use one of {known}")
