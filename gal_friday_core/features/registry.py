"""The feature sets that exist, by name."""

from collections.abc import Iterator

from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.outside import outside_set, outside_sets
from gal_friday_core.features.schema import FeatureSchema

FEATURE_SETS = (CANDLES_V1, BOOK_V1, CANDLES_BOOK_V1)
"""Those of this house; installed packages may offer more (`known_sets`)."""


def feature_set(name: str) -> FeatureSchema:
    """The schema of that name. Raises ConfigError where there is none, or where its package cannot be loaded.

    >>> feature_set("candles-v1").index("log_return_1")
    0
    """
    for schema in FEATURE_SETS:
        if schema.name == name:
            return schema
    return outside_set(name)


def known_sets() -> Iterator[FeatureSchema]:
    """Every set whose rows can be read here. Packages are loaded only once none of this house was the one looked for."""
    yield from FEATURE_SETS
    yield from outside_sets()


def set_of(schema_hash: str) -> FeatureSchema | None:
    """The set of that hash; None for one that is not known here."""
    return next((schema for schema in known_sets() if schema.hash == schema_hash), None)
