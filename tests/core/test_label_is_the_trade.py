"""The label of a bar is the net return of the trade that the simulated exchange makes after it."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.labels import STOP, TARGET, TIME, label_trades
from gal_friday_core.money import from_float
from gal_friday_core.orders import Order
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.strategies.protection import protective_prices
from gal_friday_core.times import MINUTE_NS
from gal_friday_core.trades import fills_of, round_trips

SERIES = Series("test", "BTC/USD", "1m")
FINE = Instrument("BTC/USD", price_tick=Decimal("1e-18"), lot=Decimal(1))
BARRIERS = BarriersConfig(
    horizon_bars=8, target_volatility=1.2, stop_volatility=1.0, min_width=0.001, max_width=0.1
)
COSTS = CostsConfig()
QUANTITY = Decimal(1_000_000)


def random_candles(seed, bars, jump=0.004):
    """A walk with gaps between close and next open, so that stops are jumped over too."""
    random = np.random.default_rng(seed)
    moves = random.standard_t(3, (bars, 2)) * 0.002
    gaps = np.where(random.random(bars) < 0.15, random.normal(0, jump, bars), 0.0)
    opens, closes, price = np.empty(bars), np.empty(bars), 250.0
    for i in range(bars):
        opens[i] = price * np.exp(gaps[i])
        closes[i] = opens[i] * np.exp(moves[i, 0])
        price = closes[i]
    spread = np.exp(np.abs(moves[:, 1]))
    high, low = np.maximum(opens, closes) * spread, np.minimum(opens, closes) / spread
    ts = np.arange(bars, dtype=np.int64) * MINUTE_NS
    return Candles(SERIES, ts, opens, high, low, closes, np.ones(bars), np.ones(bars, np.int64))


def bar(candles, row):
    return MarketDataOHLCV(
        trading_pair="BTC/USD",
        exchange="test",
        interval="1m",
        timestamp_bar_start=int(candles.ts[row]),
        open=from_float(candles.open[row]),
        high=from_float(candles.high[row]),
        low=from_float(candles.low[row]),
        close=from_float(candles.close[row]),
        volume=Decimal(1),
    )


def trade_after(candles, row, volatility):
    """Buy at the close of `row` with the strategy's protection, sell after the horizon: the closed trade."""
    exchange = SimulatedExchange([FINE], {"USD": Decimal(10) ** 12}, COSTS)
    reports = exchange.on_candle(bar(candles, row))
    stop, target = protective_prices(from_float(candles.close[row]), volatility, BARRIERS, FINE)
    at = int(candles.ts[row]) + MINUTE_NS
    entry = Order(
        client_order_id="e",
        signal_id="e",
        trading_pair="BTC/USD",
        side="BUY",
        order_type="MARKET",
        quantity=QUANTITY,
        created_at=at,
        stop_price=stop,
        target_price=target,
    )
    reports += exchange.submit(entry)
    for held, now in enumerate(range(row + 1, row + 2 + BARRIERS.horizon_bars)):
        if held == BARRIERS.horizon_bars and exchange.balances()["BTC"]:
            exit_ = Order(
                client_order_id="x",
                signal_id="x",
                trading_pair="BTC/USD",
                side="SELL",
                order_type="MARKET",
                quantity=QUANTITY,
                created_at=int(candles.ts[now]),
                reduce_only=True,
            )
            reports += exchange.submit(exit_)
        reports += exchange.on_candle(bar(candles, now))
    assert exchange.open_orders() == ()
    (trade,) = round_trips(fills_of(reports)).trades
    return trade


@pytest.mark.parametrize("seed", range(6))
def test_label_equals_the_simulated_trade(seed):
    candles = random_candles(seed, 120)
    volatility = np.random.default_rng(seed).uniform(0.0005, 0.004, len(candles))
    labels = label_trades(candles, volatility, BARRIERS, COSTS)
    assert {STOP, TIME, TARGET} == set(labels.outcome.tolist())
    named = {"STOP": STOP, "TIME": TIME, "TARGET": TARGET}
    for row, net_return, outcome in zip(labels.index, labels.net_return, labels.outcome, strict=True):
        trade = trade_after(candles, int(row), float(volatility[row]))
        assert named[trade.reason] == outcome
        assert trade.net_return == pytest.approx(net_return, abs=1e-9)


@pytest.mark.data
def test_label_equals_the_simulated_trade_on_real_candles(shared_data):
    """A day of 2017 with missing minutes, at the default barriers' widths: where the label says a trade ends, it ends."""
    frame = pl.read_parquet(shared_data / "ohlcv" / "bitfinex_BTCUSD_1m_2017.parquet")[10_000:11_500]
    prices = (frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    candles = Candles(SERIES, frame["ts"].cast(pl.Int64).to_numpy(), *prices, np.full(len(frame), -1))
    assert (np.diff(candles.ts) > MINUTE_NS).any()
    returns = np.diff(np.log(candles.close), prepend=np.nan)
    volatility = np.array([returns[max(i - 59, 0) : i + 1].std() for i in range(len(candles))])
    labels = label_trades(candles, volatility, BARRIERS, COSTS)
    for i in range(0, len(labels), 10):
        row = int(labels.index[i])
        trade = trade_after(candles, row, float(volatility[row]))
        assert trade.net_return == pytest.approx(labels.net_return[i], abs=1e-9)
    assert set(labels.outcome[::10].tolist()) == {STOP, TIME, TARGET}


def test_paths_jump_over_stops():
    """The paths above do contain what they are meant to test: a stop that fills at a lower open."""
    candles = random_candles(0, 120)
    volatility = np.random.default_rng(0).uniform(0.0005, 0.004, len(candles))
    labels = label_trades(candles, volatility, BARRIERS, COSTS)
    jumped = 0
    for row, outcome in zip(labels.index, labels.outcome, strict=True):
        stop, _ = protective_prices(from_float(candles.close[row]), float(volatility[row]), BARRIERS, FINE)
        trade = trade_after(candles, int(row), float(volatility[row]))
        jumped += outcome == STOP and trade.exit_price < stop * (1 - COSTS.slippage) * (1 - Decimal("1e-9"))
    assert jumped >= 3
