"""Several pairs with one portfolio: the report adds up over pairs, and what cannot be traded together is said."""

from decimal import Decimal

import pytest

from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.fast_backtest import Trading
from gal_friday_live.portfolio_backtest import PortfolioBacktest
from tests.live.world import CALM, manager, market, played, predictor

CASH = Decimal(20_000)


def pair(name, seed, *, interval="1m", model=False):
    series = Series("kraken", name, interval)
    minutes = series.interval_ns // MINUTE_NS
    ts, *columns = market(3_000, seed=seed).columns()
    candles = Candles(series, ts[0] + (ts - ts[0]) * minutes, *columns)
    return Trading(played(candles, history=1_200), predictor(series=series, seed=seed) if model else None)


def together(*pairs, **risk):
    return PortfolioBacktest(settings(**risk), pairs)


def settings(strategy="ema_cross", **risk):
    limits = {**CALM, "risk_per_trade": "1", "max_pair_exposure": "0.5", "max_total_exposure": "0.6", **risk}
    return manager(strategy={"id": strategy}, risk=limits)


def test_two_pairs_share_one_cash_and_one_limit():
    report = together(pair("BTC/USD", 5), pair("ETH/USD", 8)).run(CASH)
    assert report["engine"]["bars"] == 2 * 1_800
    assert report["final_equity"] == report["engine"]["final_equity"]
    assert {trade["trading_pair"] for trade in report["trade_list"]} == {"BTC/USD", "ETH/USD"}
    alone = [together(one).run(CASH)["engine"]["signals"] for one in (pair("BTC/USD", 5), pair("ETH/USD", 8))]
    assert all("EXCEEDS_MAX_EXPOSURE" not in signals for signals in alone)
    values = [Decimal(trade["quantity"]) * Decimal(trade["entry_price"]) for trade in report["trade_list"]]
    assert (
        min(values) < CASH * Decimal("0.2") < CASH * Decimal("0.4") < max(values)
    )  # the second one has what is left


def test_the_engine_trades_several_pairs_to_the_same_digit():
    pairs = [pair("BTC/USD", 5, model=True), pair("ETH/USD", 8, model=True)]
    config = settings(strategy="threshold")
    fast, slow = (PortfolioBacktest(config, pairs, exact=exact).run(CASH) for exact in (False, True))
    assert (fast["driver"]["name"], slow["driver"]) == ("scan", {"name": "engine", "why": "asked for"})
    assert fast["trades"]["count"] > 0
    assert {**fast, "driver": None} == {**slow, "driver": None}


def test_the_engine_trades_what_only_it_can():
    tester = together(pair("BTC/USD", 5), pair("ETH/USD", 8), max_correlated_exposure="0.5")
    report = tester.run(CASH)
    assert report["driver"]["why"].startswith("risk.max_correlated_exposure")
    assert report["engine"]["bars"] == 2 * 1_800
    with pytest.raises(ConfigError, match=r"cannot be traced back: risk\.max_correlated_exposure"):
        tester.explain("1")


def test_one_trade_of_a_portfolio_is_explained_from_the_bars_of_its_pair():
    tester = together(pair("BTC/USD", 5), pair("ETH/USD", 8))
    report = tester.run(CASH)
    number = next(
        place for place, trade in enumerate(report["trade_list"], 1) if trade["trading_pair"] == "ETH/USD"
    )
    found = tester.explain(str(number))
    assert found["trade"] == report["trade_list"][number - 1]
    assert found["decided"]["by"] == "rule"


def test_what_cannot_share_a_portfolio_is_one_clear_error():
    with pytest.raises(ConfigError, match="one quote currency, but the pairs have: EUR, USD"):
        together(pair("BTC/USD", 5), pair("ETH/EUR", 8))
    with pytest.raises(ConfigError, match="one bar length, but the pairs have: 1m, 5m"):
        together(pair("BTC/USD", 5), pair("ETH/USD", 8, interval="5m"))
    with pytest.raises(ConfigError, match="each pair once: BTC/USD is there twice"):
        together(pair("BTC/USD", 5), pair("BTC/USD", 8))
