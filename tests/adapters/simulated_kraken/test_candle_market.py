import pytest

from gal_friday_adapters.simulated_kraken.candle_market import read_candles
from gal_friday_core.errors import DataError


def test_a_file_whose_name_says_nothing_is_told_once_with_what_to_do(tmp_path):
    path = tmp_path / "junk.csv"
    path.write_text("hello\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        read_candles(path)
    assert str(refused.value) == (
        f"{path}: the name does not say which candles these are: rename it as XBTUSD_1.csv or "
        "bitfinex_BTCUSD_1m_2017.parquet are named"
    )


@pytest.mark.parametrize(
    ("name", "told"), [("XBTUSD_1.csv", "the file is empty"), ("notes.txt", "neither .csv")]
)
def test_a_damaged_file_is_named_once(tmp_path, name, told):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=told) as refused:
        read_candles(tmp_path / name)
    assert str(refused.value).count(name) == 1
