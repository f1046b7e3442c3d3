"""An engine that is started again on the account of an earlier run, over real sockets."""

import pytest
from msgspec.structs import replace

from gal_friday_core.errors import ContractError
from gal_friday_core.kraken.rate_counters import DEAREST_CANCEL
from tests.adapters.kraken.trading import PAIR, Told, client, order, recorded, served
from tests.adapters.simulated_kraken.running import KEY


async def test_orders_that_ended_before_a_restart_are_still_known_as_ours():
    """The snapshot of the line tells of the last fifty fills, whoever's they are."""
    async with served() as kraken:
        first = client(kraken)
        told = Told(first)
        await first.start()
        entry = order(quantity="0.7", limit_price="30000.1", stop_price="29500.0")
        await first.submit(entry)
        stop = await told.until(lambda report: report.order_type == "STOP_LOSS")
        await first.cancel(stop.client_order_id)
        await first.cancel_all()
        await told.ended(entry.client_order_id)
        ended = order(
            "SELL", "STOP_LOSS", quantity=str(stop.quantity_ordered), trigger_price="29500.0"
        )  # the name that reports gave it
        await first.stop()
        second = client(kraken)
        again = Told(second)
        second.adopt([
            recorded(entry, "CANCELED"),
            recorded(replace(ended, client_order_id=stop.client_order_id, signal_id=entry.signal_id), "CANCELED"),
        ])  # fmt: skip
        await second.start()
        try:
            assert [fill.execution_id for fill in again.fills()] == [
                fill.execution_id for fill in told.fills()
            ]
            assert {fill.client_order_id for fill in again.fills()} == {entry.client_order_id}
            found = await second.find(stop.client_order_id)
            assert (found.client_order_id, found.status) == (stop.client_order_id, "CANCELED")
            assert not [report for report in again.reports if not report.signal_id]
            with pytest.raises(ContractError, match="goes out once"):
                await second.submit(entry)
        finally:
            await second.stop()


def counted_there(kraken):
    exchange = kraken.exchange
    return exchange._venue._desk.limiter(KEY).read(PAIR, exchange.now_ns())


async def test_what_an_earlier_run_asked_of_the_engine_counts_on():
    async with served() as kraken:
        first = client(kraken)
        Told(first)
        await first.start()
        asked = [order(limit_price=f"{29000 + number}.0") for number in range(3)]
        for one in asked:
            await first.submit(one)
        await first.cancel(asked[0].client_order_id)
        await first.stop()
        second = client(kraken)
        second.adopt([recorded(asked[0], "CANCELED"), *map(recorded, asked[1:])])
        ours, theirs = second.counters.read(PAIR, second._now()), counted_there(kraken)
        assert theirs <= ours <= theirs + 2 + DEAREST_CANCEL
