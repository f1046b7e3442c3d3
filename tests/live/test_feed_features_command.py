import json

from typer.testing import CliRunner

from gal_friday_adapters.lake import TableLake
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_live.cli import app
from tests.core.features.book_markets import book_market


def feed_features(tmp_path, *arguments):
    config = tmp_path / "config.yaml"
    config.write_text(f"storage:\n  data_dir: {tmp_path}\n")
    return CliRunner().invoke(app, ["feed", "features", "--config", str(config), *arguments])


def test_features_of_every_rebuilt_pair_go_into_the_lake(tmp_path):
    MarketLake(tmp_path / "lake").write(book_market(1, 2_000, pace_s=0.5))
    result = feed_features(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert list(rows) == ["kraken:BTC-USD:1m"]
    assert rows["kraken:BTC-USD:1m"]["2024-02"] > 5
    tables = TableLake(tmp_path / "lake")
    stored = tables.read(f"features-book-v1-{BOOK_V1.hash[:12]}", "kraken:BTC-USD:1m")
    assert set(BOOK_V1.names) < set(stored)
    assert len(stored["ts"]) == rows["kraken:BTC-USD:1m"]["2024-02"]


def test_a_pair_that_was_never_rebuilt_is_named_with_those_that_were(tmp_path):
    MarketLake(tmp_path / "lake").write(book_market(1, 100))
    result = feed_features(tmp_path, "--pair", "ETH/USD")
    assert "no rebuilt session of ETH/USD: BTC/USD is there" in str(result.exception)


def test_without_a_rebuilt_session_the_command_says_what_to_do(tmp_path):
    result = feed_features(tmp_path)
    assert "nothing is there; run gal-friday feed rebuild" in str(result.exception)
