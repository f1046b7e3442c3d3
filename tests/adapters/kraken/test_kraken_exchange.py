"""KrakenExchange against the simulated Kraken, over real sockets, nothing failing."""

from decimal import Decimal

from gal_friday_core.orders import Amendment
from tests.adapters.kraken.trading import order, trading


async def test_market_order_is_filled_and_reported_once():
    async with trading() as (_, exchange, told):
        bought = order(kind="MARKET", quantity="1.5")
        await exchange.submit(bought)
        end = await told.ended(bought.client_order_id)
        assert (end.order_status, end.quantity_filled, end.signal_id) == (
            "FILLED",
            Decimal("1.5"),
            bought.signal_id,
        )
        fills = told.fills(bought.client_order_id)
        assert [fill.last_quantity for fill in fills] == [Decimal("0.5"), Decimal(1)]
        assert {fill.commission_asset for fill in fills} == {"USD"}
        assert len({fill.execution_id for fill in fills}) == len(fills)
        statuses = [report.order_status for report in told.of(bought.client_order_id)]
        assert statuses == ["NEW", "PARTIALLY_FILLED", "FILLED"]
        assert (await exchange.balances())["BTC"] == Decimal("3.5")


async def test_limit_order_rests_is_found_amended_and_cancelled():
    async with trading() as (_, exchange, told):
        resting = order(limit_price="29000.0")
        await exchange.submit(resting)
        await told.until(lambda report: report.order_status == "NEW")
        found = await exchange.find(resting.client_order_id)
        assert (found.status, found.limit_price) == ("NEW", Decimal("29000.0"))
        assert [facts.client_order_id for facts in await exchange.open_orders()] == [resting.client_order_id]
        await exchange.amend(resting.client_order_id, Amendment(limit_price=Decimal("28500.0")))
        await told.until(lambda report: report.limit_price == Decimal("28500.0"))
        await exchange.cancel(resting.client_order_id)
        end = await told.ended(resting.client_order_id)
        assert (end.order_status, end.error_message) == ("CANCELED", "User requested")
        assert await exchange.open_orders() == []
