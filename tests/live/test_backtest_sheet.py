"""The sheet of whole runs, against what a plain loop over their bars and fills says."""

from decimal import Decimal

import empyrical
import numpy as np
import pytest

from gal_friday_core.candles import Candles
from gal_friday_core.config import Config
from gal_friday_core.performance import sharpe, sortino
from gal_friday_core.strategies.presets import trading, with_preset
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_live.fast_backtest import Trading, trade
from gal_friday_live.replay_data import Stretch, instrument_of
from tests.live.world import SERIES, market

CASH = Decimal(10_000)


def wild(bars=6_000, seed=2):
    """Bars that reach further than a stop and a target are apart, again and again."""
    rng = np.random.default_rng(seed)
    close = (30_000 * np.exp(np.cumsum(rng.normal(0, 0.004, bars)))).round(2)
    opened = np.concatenate((close[:1], close[:-1]))
    reach = np.abs(rng.normal(0, 0.012, (2, bars)))
    high = (np.maximum(opened, close) * (1 + reach[0])).round(2)
    low = (np.minimum(opened, close) * (1 - reach[1])).round(2)
    ts = market().ts[:1] + np.arange(bars) * SERIES.interval_ns
    return Candles(SERIES, ts, opened, high, low, close, np.ones(bars), np.ones(bars, np.int64))


@pytest.fixture(scope="module", params=[0, Decimal("0.0007")], ids=["free", "slipping"])
def ran(request):
    candles = wild()
    config, _ = with_preset(
        trading(Config.model_validate({"costs": {"slippage": request.param}}), "ema_cross")
    )
    played = Stretch(SERIES, candles, candles[:0], instrument_of(candles))
    return config, trade(config, (Trading(played),), CASH)


def test_ambiguous_stops_are_those_that_a_plain_look_at_the_bars_finds(ran):
    config, run = ran
    bars, orders = run.tape.markets[0].bars, {order.signal_id: order for order in run.account.orders}
    record = record_of(run, config.costs)
    found = []
    for trade_ in record.trips.trades:
        entry = orders[trade_.signal_id]
        inside = trade_.exit_price == entry.stop_price * (1 - config.costs.slippage)
        if trade_.reason != "STOP" or not inside:
            continue
        (row,) = np.flatnonzero(bars.ts + SERIES.interval_ns == trade_.exit_ns)
        if bars.high[row] >= float(entry.target_price) and bars.open[row] > float(entry.stop_price):
            found.append(trade_.signal_id)
    told = tearsheet(record)["ambiguity"]
    assert list(told["signals"]) == found
    assert told["trades"] == len(found) > 4
    assert Decimal(told["at_stake"]) > 0


def test_costs_lead_from_gross_to_net_and_slippage_is_that_of_the_opens(ran):
    config, run = ran
    record = record_of(run, config.costs)
    told = tearsheet(record)["costs"]
    gross, fees, slipped, net = (
        Decimal(told[name]) for name in ("gross_profit", "fees", "slippage", "net_profit")
    )
    assert gross - fees - slipped == net == record.curve.final - record.curve.initial
    bars, expected = record.bars[SERIES.pair], Decimal(0)
    for fill in record.fills:
        if fill.order_type == "MARKET":
            (row,) = np.flatnonzero(bars.ts == fill.timestamp_exchange)
            asked = Decimal(repr(float(bars.open[row])))
        elif fill.order_type == "STOP_LOSS":
            asked = fill.last_price / (1 - config.costs.slippage)
        else:
            asked = fill.last_price
        expected += abs(fill.last_price - asked) * fill.last_quantity
    assert float(slipped) == pytest.approx(float(expected), abs=1e-4)


def test_parts_hold_every_trade_once(ran):
    config, run = ran
    record = record_of(run, config.costs)
    sheet = tearsheet(record)
    net = sum(trade_.net for trade_ in record.trips.trades)
    for by in ("pair", "volatility", "trend", "hour"):
        these = [part for part in sheet["parts"] if part["by"] == by]
        assert sum(part["trades"] for part in these) == sheet["trades"]["count"]
        assert sum(Decimal(part["net"]) for part in these) == net


def test_headline_ratios_are_those_of_empyrical(ran):
    config, run = ran
    returns = record_of(run, config.costs).returns
    daily = {"period": "daily", "annualization": 365}
    assert sharpe(returns).value == pytest.approx(empyrical.sharpe_ratio(returns, **daily))
    assert sortino(returns) == pytest.approx(empyrical.sortino_ratio(returns, **daily))


def test_equity_of_the_curve_is_cash_and_what_is_invested(ran):
    """Exposure times equity is the value of the position at every close."""
    config, run = ran
    record = record_of(run, config.costs)
    shares = tearsheet(record)["curves"]["exposure"]
    assert 0 < max(shares) <= 0.6
    assert min(shares) >= 0
    invested = sum(
        (trade_.exit_ns - trade_.entry_ns) // SERIES.interval_ns for trade_ in record.trips.trades
    ) / len(record.curve.ts)
    assert np.mean(shares) == pytest.approx(invested * 0.5, abs=0.05)
