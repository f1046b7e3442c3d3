from pathlib import Path

import pytest

from gal_friday_core.errors import ConfigError
from gal_friday_core.features import book_layout
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.layout import COLUMNS
from gal_friday_core.features.reference import page
from gal_friday_core.features.registry import feature_set

PAGE = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def test_the_features_page_is_current():
    assert PAGE.read_text() == page(), "run python -m gal_friday_core.features.reference > docs/features.md"


def test_each_column_of_the_kernel_has_one_named_feature():
    assert len(CANDLES_V1) == len(set(CANDLES_V1.names)) == COLUMNS
    assert CANDLES_V1.warmup == 240
    assert len(BOOK_V1) == len(set(BOOK_V1.names)) == book_layout.COLUMNS
    assert BOOK_V1.warmup == book_layout.LONGEST_WINDOW
    assert len(set(CANDLES_BOOK_V1.names)) == len(CANDLES_V1) + len(BOOK_V1)
    assert CANDLES_BOOK_V1.warmup == 240
    assert all(feature.unit and feature.source for feature in CANDLES_BOOK_V1.features)


def test_the_schema_hash_changes_only_on_purpose():
    assert CANDLES_V1.hash == "49cb398892cab03bbb67de9ed8ed97e11ad5c2ed97357b5b1105531b07152faa", (
        "models trained before will be refused"
    )
    assert BOOK_V1.hash == "6a750fe9d8478a41fa974f71a1ee75ad7609030b085f2c4376f2d224f01d6eb1", (
        "models trained before will be refused"
    )
    assert CANDLES_BOOK_V1.hash == "9459cd10ea7589c7d586f45be54947b680cd1efcbb95d205f6526c829a4eb27c", (
        "models trained before will be refused"
    )


def test_a_feature_set_is_found_by_name():
    assert feature_set("candles-v1") is CANDLES_V1
    assert feature_set("candles-book-v1") is CANDLES_BOOK_V1
    with pytest.raises(
        ConfigError,
        match=r"unknown feature set 'candles': features.sets is one of candles-v1, book-v1, candles-book-v1",
    ):
        feature_set("candles")
