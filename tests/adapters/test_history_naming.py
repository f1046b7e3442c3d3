import json

import pytest

from gal_friday_adapters.history.naming import Overrides, asset, series_of, split_pair
from gal_friday_core.errors import DataError


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("XBTUSD_1.csv", "kraken:BTC-USD:1m"),
        ("ETHXBT_60.csv", "kraken:ETH-BTC:1h"),
        ("XDGEUR_1440.csv", "kraken:DOGE-EUR:1d"),
        ("folder/USDTUSD_5.csv", "kraken:USDT-USD:5m"),
        ("bitfinex_BTCUSD_1m_2017.parquet", "bitfinex:BTC-USD:1m"),
        ("binance_ETHUSDT_5m_2022-08_2023-10.parquet", "binance:ETH-USDT:5m"),
        ("kraken_XBTUSD_1h.parquet", "kraken:BTC-USD:1h"),
        ("kraken_XBTUSD_1h_cdd_2017_2019.parquet", "kraken-cdd:BTC-USD:1h"),
        ("bittrex_or_binance_ETHBTC_5m_ft.parquet", "bittrex-or-binance:ETH-BTC:5m"),
        ("binance_BTC-USDT_1m.csv", "binance:BTC-USDT:1m"),
    ],
)
def test_the_series_is_read_from_the_name(name, key):
    assert series_of(name).key == key


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("binance_XRPUSDT-PERP_5m_ft.parquet", "derivative"),
        ("prices.csv", "give --venue --pair --interval"),
        ("XBTUSD_720.csv", "720 minutes are not kept"),
        ("kraken_XBTUSD_3m.parquet", "unknown interval '3m'"),
        ("kraken_FOOBAR_1m.parquet", "give --pair as BASE/QUOTE"),
    ],
)
def test_a_name_that_does_not_say_enough_is_refused_with_what_to_do(name, message):
    with pytest.raises(DataError, match=message):
        series_of(name)


def test_options_complete_and_overrule_the_name():
    assert series_of("prices.csv", Overrides("Kraken", "XBT/USD", "1m")).key == "kraken:BTC-USD:1m"
    assert series_of("XBTUSD_1.csv", Overrides(pair="ETH/EUR")).key == "kraken:ETH-EUR:1m"
    assert series_of("kraken_FOOBAR_1m.parquet", Overrides(pair="FOO/BAR")).key == "kraken:FOO-BAR:1m"


@pytest.mark.parametrize(
    ("code", "pair"), [("BNBUSD", "BNB/USD"), ("BTCBUSD", "BTC/BUSD"), ("DOTUSD", "DOT/USD")]
)
def test_quotes_that_end_alike_are_told_apart(code, pair):
    assert split_pair(code) == pair


@pytest.mark.data
def test_every_pair_of_a_real_kraken_listing_is_split_as_kraken_does(shared_data):
    listing = json.loads((shared_data / "kraken_rest/public/AssetPairs_full_2021-04-17.json").read_text())[
        "result"
    ]
    pairs = [pair for name, pair in listing.items() if not name.endswith(".d")]
    assert len(pairs) > 250
    for pair in pairs:
        base, quote = pair["wsname"].split("/")
        assert split_pair(pair["altname"]) == f"{asset(base)}/{asset(quote)}"
