"""Bars, orders, signals and reports for the tests of the trading rules."""

from decimal import Decimal

from gal_friday_core.config import CostsConfig
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV, TradeSignalProposed
from gal_friday_core.times import MINUTE_NS

PAIR = "BTC/USD"
COSTS = CostsConfig(taker_fee=Decimal("0.01"), maker_fee=Decimal("0.005"), slippage=Decimal("0.001"))


def bar(minute, open_, high, low, close, *, pair=PAIR):
    return MarketDataOHLCV(
        trading_pair=pair,
        exchange="test",
        interval="1m",
        timestamp_bar_start=minute * MINUTE_NS,
        open=Decimal(str(open_)),
        high=Decimal(str(high)),
        low=Decimal(str(low)),
        close=Decimal(str(close)),
        volume=Decimal(1),
    )


def order(
    key="a", side="BUY", type_="MARKET", quantity="1", *, created_at=MINUTE_NS, reduce_only=False, **prices
):
    return Order(
        client_order_id=key,
        signal_id=f"signal-{key}",
        trading_pair=PAIR,
        side=side,
        order_type=type_,
        quantity=Decimal(quantity),
        created_at=created_at,
        reduce_only=reduce_only,
        **{name: Decimal(str(price)) for name, price in prices.items()},
    )


def fill(key, side, quantity, price, fee="0", *, pair=PAIR, ts=0, type_="MARKET", fee_asset="USD"):
    return ExecutionReport(
        signal_id=f"signal-{key}",
        client_order_id=key,
        trading_pair=pair,
        exchange="test",
        order_status="FILLED",
        order_type=type_,
        side=side,
        quantity_ordered=Decimal(quantity),
        quantity_filled=Decimal(quantity),
        timestamp_exchange=ts,
        commission=Decimal(fee),
        commission_asset=fee_asset,
        execution_id=f"{key}#1",
        last_quantity=Decimal(quantity),
        last_price=Decimal(price),
    )


def signal(
    key="s", side="BUY", *, price="100", stop="95", target="110", pair=PAIR, expires_at=10, limit=None
):
    return TradeSignalProposed(
        trading_pair=pair,
        exchange="test",
        signal_id=key,
        side=side,
        entry_type="LIMIT" if limit else "MARKET",
        strategy_id="threshold",
        reference_price=Decimal(price),
        data_timestamp=0,
        expires_at=expires_at,
        proposed_entry_price=Decimal(limit) if limit else None,
        proposed_sl_price=Decimal(stop) if stop else None,
        proposed_tp_price=Decimal(target) if target else None,
    )
