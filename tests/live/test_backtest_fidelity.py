"""Backtests on an exchange that gives less away: what their reports say of it, and that it never pays."""

import asyncio
import logging
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_adapters.report_page import render
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.market_events import LEVELS, TRADE, MarketEvents
from gal_friday_core.money import ZERO
from gal_friday_core.strategies.presets import trading
from gal_friday_core.times import SECOND_NS
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.replay_data import Stretch, instrument_of
from tests.core.book_tapes import tape
from tests.live.test_backtest_sheet import SERIES, wild

CASH = Decimal(10_000)
TIERS = ((0, "0.0016", "0.0026"), (20_000, "0.001", "0.002"), (100_000, "0", "0.001"))
EVERYTHING = {
    "fees": "table", "fee_tiers": TIERS, "slippage": "modelled", "latency_ms": 900, "participation": "0.05",
    "limit_queue": "volume",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def played():
    candles = wild()
    return Stretch(SERIES, candles, candles[:0], instrument_of(candles))


def report_of(played, tmp_path, *, exact=False, cash=CASH, **fidelity):
    calm = {"max_daily_drawdown": 1, "max_weekly_drawdown": 1, "max_total_drawdown": 1}
    config = trading(
        Config.model_validate({"fidelity": fidelity, "risk": calm, "storage": {"data_dir": tmp_path}}),
        "ema_cross",
    )
    tester = BacktestingEngine(ConfigurationManager.from_config(config), series=SERIES, exact=exact)
    return asyncio.run(tester.run(played, cash))


def test_fees_of_the_report_are_the_sum_by_tier(played, tmp_path):
    told = report_of(played, tmp_path, fees="table", fee_tiers=TIERS)["costs"]
    parts = told["fee_parts"]
    assert {(part["from_volume"], part["maker"]) for part in parts} >= {("0", False), ("20000", False)}
    assert sum((Decimal(part["fees"]) for part in parts), ZERO) == Decimal(told["fees"])
    assert sum((Decimal(part["traded_value"]) for part in parts), ZERO) == Decimal(told["traded_value"])
    for part in parts:
        assert float(part["fees"]) == pytest.approx(float(part["traded_value"]) * float(part["rate"]))


def test_gross_less_costs_is_net_whatever_the_fidelity(played, tmp_path):
    told = report_of(played, tmp_path, **EVERYTHING)["costs"]
    gross, fees, slipped, net = (
        Decimal(told[name]) for name in ("gross_profit", "fees", "slippage", "net_profit")
    )
    assert gross - fees - slipped == net
    assert slipped > 0


def test_engine_and_scan_write_the_same_costs(played, tmp_path):
    fast, engine = (report_of(played, tmp_path, exact=exact, **EVERYTHING) for exact in (False, True))
    assert (fast["driver"]["name"], engine["driver"]["name"]) == ("scan", "engine")
    for section in ("costs", "ambiguity", "trade_list", "final_equity"):
        assert fast[section] == engine[section]


def test_the_page_says_what_bars_were_too_thin_for_and_what_was_paid_as_what(played, tmp_path):
    report = report_of(played, tmp_path, cash=Decimal(1_000_000), **EVERYTHING)
    assert report["costs"]["cut_fills"] + report["costs"]["unborne"] > 0
    assert report["context"]["participation"] == "0.05"
    page = render(report)
    for wanted in ("took all that their bar bore", "taker, from 20,000 in 30 days", "paid the maker"):
        assert wanted in page


@pytest.mark.parametrize(
    "friction",
    [
        {"slippage": "modelled", "half_spread": "0.001", "impact": 0.0},
        {"slippage": "modelled", "half_spread": "0.0005", "impact": 5.0},
    ],
)
def test_more_friction_never_earns_more_on_the_same_fills(played, tmp_path, friction):
    """Slippage is added to prices alone: the trades stay those that they were, each a little worse."""
    plain, dear = report_of(played, tmp_path), report_of(played, tmp_path, **friction)
    ours, theirs = (
        [(one["entry_time"], one["exit_time"], one["reason"]) for one in report["trade_list"]]
        for report in (plain, dear)
    )
    same = sum(one in ours for one in theirs)
    assert same == len(theirs) == len(ours)
    for one, other in zip(plain["trade_list"], dear["trade_list"], strict=True):
        assert other["net_return"] <= one["net_return"] + 1e-12


def test_constant_costs_leave_no_word_of_fidelity(played, tmp_path):
    report = report_of(played, tmp_path)
    assert FidelityConfig().plain
    assert not {"latency_ms", "participation", "fees", "half_spread"} & report["context"].keys()
    assert (report["costs"]["cut_fills"], report["costs"]["unborne"], report["costs"]["maker_share"]) == (
        0,
        0,
        0,
    )


def recorded(folder, candles):
    """Each bar's open, low, high and close as trades, in the lake."""
    places = (np.arange(4) * 10 + 1) * SECOND_NS
    ts = (candles.ts[:, None] + places).ravel()
    price = np.column_stack((candles.open, candles.low, candles.high, candles.close)).ravel()
    count = len(ts)
    whole, ladders = np.zeros(count, np.int64), [np.zeros((count, LEVELS), np.int64) for _ in range(4)]
    lake = MarketLake(folder / "lake")
    events = MarketEvents(
        SERIES.venue, SERIES.pair, 2, 8, ts, ts, np.full(count, TRADE, np.int8), *ladders,
        np.rint(price * 100).astype(np.int64), whole + 10**8, np.ones(count, np.int8), np.arange(count) + 1,
    )  # fmt: skip
    lake.write(events)


def test_orders_meet_recorded_trades_where_the_configuration_says_so(played, tmp_path):
    recorded(tmp_path, played.bars)
    report = report_of(played, tmp_path, replay="trades")
    assert report["driver"] == {"name": "scan", "why": ""}
    told = report["costs"]
    assert told["recorded_fills"] == sum(part["fills"] for part in told["fee_parts"]) > 100
    assert report["ambiguity"]["trades"] == 0 < report_of(played, tmp_path)["ambiguity"]["trades"]
    assert report["context"]["replay"] == "trades"
    assert "fills met what was recorded" in render(report)


def test_a_replay_of_nothing_says_what_to_do(played, tmp_path):
    with pytest.raises(DataError, match="feed rebuild"):
        report_of(played, tmp_path, replay="trades")


def test_trades_that_lie_outside_their_bars_are_played_by_the_engine(played, tmp_path):
    recorded(tmp_path, replace(played.bars, high=np.maximum(played.bars.open, played.bars.close)))
    less = replace(played, bars=replace(played.bars, high=played.bars.open, low=played.bars.open)[:300])
    assert "lie outside their bars" in report_of(less, tmp_path, replay="trades")["driver"]["why"]


def booked(folder, candles):
    """A book around each bar's close as it was when the bar opened, and its prices as trades."""
    rows = []
    for ts, opened, low, high, close in zip(
        candles.ts.tolist(), *(column.tolist() for column in (candles.open, candles.low, candles.high, candles.close)),
        strict=True,
    ):  # fmt: skip
        for number, price in enumerate((opened, low, high, close)):
            at = ts / SECOND_NS + 10 * number + 1
            levels = [
                [(round(price + way * (1 + 3 * step), 2), 0.02) for step in range(5)] for way in (-1, 1)
            ]
            rows += [(at, *levels), (at + 1, "sell" if number == 1 else "buy", price, 0.01)]
    events = tape(*rows, pair=SERIES.pair, venue=SERIES.venue)
    MarketLake(folder / "lake").write(events)


def test_a_replay_of_the_book_is_the_same_by_scan_and_by_engine(played, tmp_path):
    few = replace(played, bars=played.bars[:250])
    booked(tmp_path, few.bars)
    said = {"replay": "book", "fees": "table", "fee_tiers": TIERS, "latency_ms": 400}
    fast, engine = (report_of(few, tmp_path, exact=exact, **said) for exact in (False, True))
    assert (fast["driver"]["name"], engine["driver"]["name"]) == ("scan", "engine")
    for section in ("costs", "trade_list", "final_equity", "equity_curve"):
        assert fast[section] == engine[section]
    assert fast["trades"]["count"] > 3
    assert fast["costs"]["recorded_fills"] == sum(part["fills"] for part in fast["costs"]["fee_parts"])
    assert float(fast["costs"]["slippage"]) > 0


def test_a_replay_of_a_book_that_was_never_recorded_says_what_to_do(played, tmp_path):
    with pytest.raises(DataError, match="no recorded books of BTC/USD"):
        report_of(played, tmp_path, replay="book")
