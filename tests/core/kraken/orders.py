"""Any order that Kraken has words for."""

from decimal import Decimal

from hypothesis import strategies as st

from gal_friday_core.orders import Order
from gal_friday_core.times import from_iso

NOW = from_iso("2026-03-01T12:00:00Z")
CLIENT_ID = "6d1b345e-2821-40e2-ad83-4ecb18a06876"
amounts = st.decimals("0.00000001", "1000000", places=8)
prices = st.decimals("0.1", "1000000", places=1)
LIMITED = {"LIMIT", "ICEBERG", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}
TRIGGERED = {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}
TRAILING = {"TRAILING_STOP", "TRAILING_STOP_LIMIT"}


@st.composite
def orders(draw: st.DrawFn) -> Order:
    kind = draw(
        st.sampled_from(["MARKET", *sorted(LIMITED), *sorted(TRIGGERED - LIMITED), *sorted(TRAILING)])
    )
    time_in_force = draw(st.sampled_from(["GTC", "GTD", "IOC", "FOK"])) if kind == "LIMIT" else "GTC"
    return Order(
        client_order_id=str(draw(st.uuids())),
        signal_id="signal",
        trading_pair="BTC/USD",
        side=draw(st.sampled_from(["BUY", "SELL"])),
        order_type=kind,
        quantity=draw(amounts),
        created_at=NOW,
        limit_price=draw(prices) if kind in LIMITED else None,
        trigger_price=draw(prices) if kind in TRIGGERED else None,
        trailing_offset=draw(prices) if kind in TRAILING else None,
        limit_offset=draw(prices) if kind == "TRAILING_STOP_LIMIT" else None,
        display_quantity=draw(amounts) if kind == "ICEBERG" else None,
        time_in_force=time_in_force,
        expires_at=NOW + 3600 * 10**9 if time_in_force == "GTD" else None,
        post_only=kind == "LIMIT" and time_in_force == "GTC" and draw(st.booleans()),
        stop_price=draw(st.none() | prices),
        target_price=draw(st.none() | prices),
        deadline=draw(st.none() | st.integers(NOW, NOW + 60 * 10**9)),
        reduce_only=draw(st.booleans()),
    )


def limit(**changed: object) -> Order:
    fields = {
        "client_order_id": CLIENT_ID,
        "signal_id": "signal",
        "trading_pair": "BTC/USD",
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": Decimal("1.2"),
        "created_at": NOW,
        "limit_price": Decimal(28440),
    }
    return Order(**(fields | changed))
