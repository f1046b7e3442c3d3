"""Several pairs with one portfolio: the report adds up over pairs, and what cannot be traded together is said."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError
from gal_friday_live.fast_backtest import Trading
from gal_friday_live.portfolio_backtest import run_together
from tests.live.world import CALM, manager, market, played

CASH = Decimal(20_000)


def pair(name, seed):
    candles = market(3_000, seed=seed)
    return Trading(played(Candles(Series("kraken", name, "1m"), *candles.columns()), history=1_200))


def settings(**risk):
    limits = {**CALM, "risk_per_trade": "1", "max_pair_exposure": "0.5", "max_total_exposure": "0.6", **risk}
    return manager(strategy={"id": "ema_cross"}, risk=limits).config


def test_two_pairs_share_one_cash_and_one_limit():
    report = run_together(settings(), [pair("BTC/USD", 5), pair("ETH/USD", 8)], CASH)
    assert report["engine"]["bars"] == 2 * 1_800
    assert report["final_equity"] == report["engine"]["final_equity"]
    assert {trade["trading_pair"] for trade in report["trade_list"]} == {"BTC/USD", "ETH/USD"}
    alone = [
        run_together(settings(), [one], CASH)["engine"]["signals"]
        for one in (pair("BTC/USD", 5), pair("ETH/USD", 8))
    ]
    assert all("EXCEEDS_MAX_EXPOSURE" not in signals for signals in alone)
    values = [Decimal(trade["quantity"]) * Decimal(trade["entry_price"]) for trade in report["trade_list"]]
    assert (
        min(values) < CASH * Decimal("0.2") < CASH * Decimal("0.4") < max(values)
    )  # the second one has what is left


def test_what_cannot_share_a_portfolio_is_one_clear_error():
    with pytest.raises(ConfigError, match="one quote currency, but the pairs have: EUR, USD"):
        run_together(settings(), [pair("BTC/USD", 5), pair("ETH/EUR", 8)], CASH)
    with pytest.raises(ConfigError, match=r"cannot be traded together: risk\.max_correlated_exposure"):
        run_together(settings(max_correlated_exposure="0.5"), [pair("BTC/USD", 5), pair("ETH/USD", 8)], CASH)
    with pytest.raises(ConfigError, match="trades each pair once"):
        run_together(settings(), [pair("BTC/USD", 5), replace(pair("BTC/USD", 8))], CASH)
