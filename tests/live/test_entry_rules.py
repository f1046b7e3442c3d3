"""A strategy that needs no model, through the engine: where it enters, what it may trade, and what a restart keeps."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_core.config import BarriersConfig
from gal_friday_core.errors import ConfigError
from gal_friday_core.strategies.ema_cross import EmaCross
from gal_friday_core.strategies.registry import history_bars
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.entry_rules import EntryRules
from gal_friday_live.feeds import RecordedFeed, bars
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.replay_data import instrument_of
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.trades_under_way import TradeUnderWay
from gal_friday_live.wiring import Ports, build
from tests.live.world import CALM, SERIES, manager, market, played, predictor

RULE = {"fast": 12, "slow": 26, "stop": "0.004", "target": "0.008"}
HALF = CALM | {"max_pair_exposure": "0.5", "risk_per_trade": 1}
FEE = 0.0026
COSTS = {"taker_fee": str(FEE), "maker_fee": str(FEE), "slippage": 0}
CASH = Decimal(10_000)


def configured(**changes):
    return manager(strategy={"id": "ema_cross"}, ema_cross=RULE, risk=HALF, costs=COSTS, **changes)


def backtest(config=None, stretch=None, **engine):
    tester = BacktestingEngine(config or configured(), series=SERIES, exact=True, **engine)
    return asyncio.run(tester.run(stretch or played(), CASH))


def by_hand(candles, first):
    """Entry and exit times, and the equity at the end, by a plain loop over floats."""
    fires = EmaCross(12, 26).stream(MINUTE_NS).extend(candles)
    equity, held, trades, wanted = float(CASH), None, [], None
    for row in range(first, len(candles)):
        opened, high, low, close = (column.item(row) for column in candles.columns()[1:5])
        if wanted is not None:
            quantity, stop, target = wanted
            held = (quantity, stop, target, opened)
            equity -= quantity * opened * FEE
            trades.append([int(candles.ts[row])])
            wanted = None
        if held is not None:
            quantity, stop, target, entry = held
            left = min(opened, stop) if low <= stop else target if high >= target else None
            if left is not None:
                equity += quantity * (left - entry) - quantity * left * FEE
                trades[-1].append(left)
                held = None
        if fires[row] and held is None:
            wanted = (0.5 * equity / close, ceil(close * (1 - 0.004)), ceil(close * 1.008))
    if held is not None:
        equity += held[0] * (close - held[3])
    return trades, equity


def ceil(price):
    return np.ceil(round(price * 100, 6)) / 100


def test_the_engine_trades_every_cross_as_a_plain_loop_does():
    report = backtest()
    trades, equity = by_hand(market(), 2_000)
    assert len(trades) > 20
    assert report["trades"]["count"] + report["trades"]["open"] == len(trades)
    assert float(report["final_equity"]) == pytest.approx(equity, rel=1e-7)
    closed = [trade for trade in trades if len(trade) == 2]
    exits = [float(trade["exit_price"]) for trade in report["trade_list"]]
    assert exits == pytest.approx([left for _, left in closed], abs=1e-9)


def test_models_change_nothing():
    plain, with_model = backtest(), backtest(predictor=predictor())
    assert with_model["engine"]["predictions"] > 0
    assert with_model["trade_list"] == plain["trade_list"]


def test_a_run_that_starts_with_history_trades_the_crosses_of_its_first_bars():
    fires = EmaCross(12, 26).stream(MINUTE_NS).extend(market())
    first = int(np.flatnonzero(fires[2_000:])[0]) + 2_000
    warm = played(market()[: first + 300], history=first - 5)
    cold = replace(warm, history=warm.history[:0])
    told, untold = (backtest(stretch=each)["trade_list"] for each in (warm, cold))
    entered = f"{np.datetime64(int(market().ts[first]) + MINUTE_NS, 'ns')}Z"
    assert told[0]["entry_time"] == entered
    assert not untold or untold[0]["entry_time"] > entered


def test_a_slow_rule_asks_for_more_history():
    config = manager(strategy={"id": "ema_cross"}, ema_cross={"fast": 50, "slow": 200}).config
    assert history_bars(config) == 200 * 16 + 512
    assert history_bars(manager().config) == 1_024


def test_missed_bars_leave_the_rule_as_if_they_had_been_heard():
    candles = market()
    heard, cut = (EntryRules(EmaCross(12, 26), [SERIES], {SERIES: candles[:1_500]}) for _ in range(2))
    heard.fill(SERIES, candles[1_500:2_000])
    cut.fill(SERIES, candles[1_500:1_700])
    cut.fill(SERIES, candles[1_700:2_000])
    fires = EmaCross(12, 26).stream(MINUTE_NS).extend(candles)
    for row, bar in enumerate(bars(candles[2_000:2_400]), start=2_000):
        close = int(candles.ts[row]) + MINUTE_NS
        for rules in (heard, cut):
            rules.update(SERIES, bar)
            assert not rules.take("kraken", "BTC/USD", close - MINUTE_NS)
            assert rules.take("kraken", "BTC/USD", close) == fires[row]
            assert not rules.take("kraken", "BTC/USD", close), "a firing is told once"


def ports(**changes):
    stretch = played()
    clock = SimulatedClock(int(stretch.bars.ts[0]))
    given = {
        "series": (SERIES,), "instruments": (instrument_of(stretch.history),), "clock": clock,
        "feed": RecordedFeed((stretch.bars,), clock), "models": FixedModels(), "journal": MemoryJournal(),
    }  # fmt: skip
    return Ports(**given | changes)


def test_a_rule_never_trades_real_money():
    class Venue:
        """An exchange that is not simulated, as far as wiring can tell."""

    with pytest.raises(ConfigError, match=r"ema_cross asks no model, .* paper money only"):
        build(configured(), ports(exchange=Venue()))


def test_a_trade_that_a_model_began_leaves_on_its_time():
    engine = build(configured(), ports())
    strategy = engine.strategy
    assert isinstance(strategy, StrategyArbitrator)
    trade = TradeUnderWay(barriers=BarriersConfig(horizon_bars=30), bars_held=30, opened_at=1)
    strategy.take_up({"BTC/USD": trade})
    desk = strategy._desks["BTC/USD"]
    held = strategy._held(desk, Decimal(100), Decimal(1))
    assert desk.strategy.decide(held).reason == "HORIZON_REACHED"
