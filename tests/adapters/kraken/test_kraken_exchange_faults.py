"""KrakenExchange while the exchange or the line to it fails: exactly one order, and each fill once."""

import asyncio
import time
from decimal import Decimal

import pytest

from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.orders import is_terminal
from tests.adapters.kraken.trading import order, trading, until
from tests.adapters.simulated_kraken.running import KEY


def faults(kraken, **rates):
    for kind, rate in rates.items():
        kraken.exchange.faults.set(kind, rate)


async def line_is(told, up, count):
    """That many changes of the line in that direction have been told."""
    await until(lambda: sum(line[0] is up for line in told.lines) >= count)


def counted_once(kraken, told):
    """Every fill of the exchange was reported, once, under its order; and nothing else was."""
    filled = {fill.exec_id: fill for fill in kraken.exchange.account(KEY).executions}
    reported = [report.execution_id for report in told.fills()]
    assert sorted(reported) == sorted(filled)
    for report in told.fills():
        fill = filled[report.execution_id]
        assert (report.exchange_order_id, report.last_quantity, report.last_price, report.commission) == (
            fill.order_id, fill.quantity, fill.price, fill.fee,
        )  # fmt: skip


async def test_a_lost_answer_leaves_the_outcome_unknown_and_the_order_is_told_later():
    async with trading() as (kraken, exchange, told):
        faults(kraken, lost_response=1)
        placed = order(quantity="0.7", limit_price="30000.1", stop_price="29500.0")
        with pytest.raises(OutcomeUnknownError):
            await exchange.submit(placed)
        faults(kraken, lost_response=0)
        await line_is(told, True, 2)
        assert [up for up, _ in told.lines] == [True, False, True]
        (only,) = [found for found in kraken.exchange.orders(KEY) if found.asked.cl_ord_id]
        assert only.asked.cl_ord_id == placed.client_order_id
        assert told.of(placed.client_order_id)[-1].order_status == "PARTIALLY_FILLED"
        assert (
            await told.until(lambda report: report.order_type == "STOP_LOSS")
        ).signal_id == placed.signal_id
        assert (await exchange.find(placed.client_order_id)).filled == Decimal("0.5")
        counted_once(kraken, told)


async def test_an_order_accepted_late_is_found_when_it_arrives():
    async with trading() as (kraken, exchange, told):
        faults(kraken, accept_late=1)
        placed = order(quantity="0.5", limit_price="30000.1")
        with pytest.raises(OutcomeUnknownError):
            await exchange.submit(placed)
        faults(kraken, accept_late=0)
        end = await told.ended(placed.client_order_id)
        assert (end.order_status, end.quantity_filled) == ("FILLED", Decimal("0.5"))
        assert len(kraken.exchange.orders(KEY)) == 1
        counted_once(kraken, told)


async def test_an_unavailable_engine_leaves_the_outcome_unknown_and_nothing_is_found():
    async with trading() as (kraken, exchange, told):
        faults(kraken, reject=1)
        placed = order(limit_price="29000.0")
        with pytest.raises(OutcomeUnknownError, match="EService:Unavailable"):
            await exchange.submit(placed)
        faults(kraken, reject=0)
        assert await exchange.find(placed.client_order_id) is None
        assert kraken.exchange.orders(KEY) == []
        assert told.reports == []


async def test_a_half_open_line_is_noticed_and_what_it_swallowed_is_told():
    async with trading(deadline_s=0.5) as (kraken, exchange, told):
        faults(kraken, half_open=1)
        placed = order(quantity="0.5", limit_price="30000.1")
        with pytest.raises(OutcomeUnknownError):
            await exchange.submit(placed)  # its answer is the frame that never comes
        faults(kraken, half_open=0)
        await line_is(told, True, 2)
        assert "silent" in told.lines[1][1]
        assert (await told.ended(placed.client_order_id)).order_status == "FILLED"
        counted_once(kraken, told)


async def test_a_skipped_sequence_number_is_noticed_and_filled_from_rest():
    async with trading() as (kraken, exchange, told):
        bought = order(kind="MARKET", quantity="1.5")
        faults(kraken, sequence_gap=0.5)
        await exchange.submit(bought)
        await exchange.submit(order("SELL", limit_price="31000.0"))
        faults(kraken, sequence_gap=0)
        after = order("SELL", limit_price="31000.1")
        await exchange.submit(after)
        assert (await told.ended(bought.client_order_id)).quantity_filled == Decimal("1.5")
        await told.until(lambda report: report.client_order_id == after.client_order_id)
        await line_is(told, True, 2)
        assert any("came after" in reason for up, reason in told.lines if not up)
        counted_once(kraken, told)


async def test_an_event_that_is_lost_and_leaves_no_gap_is_looked_up():
    async with trading() as (kraken, exchange, told):
        placed = order(limit_price="29000.0")
        faults(kraken, sequence_gap=1)
        await exchange.submit(placed)
        faults(kraken, sequence_gap=0)
        assert (await told.until(lambda report: True)).order_status == "NEW"
        faults(kraken, sequence_gap=1)
        await exchange.cancel(placed.client_order_id)
        faults(kraken, sequence_gap=0)
        assert (await told.ended(placed.client_order_id)).order_status == "CANCELED"


async def test_what_is_said_twice_is_told_once():
    async with trading("duplicate=1") as (kraken, exchange, told):
        bought = order(kind="MARKET", quantity="1.5", stop_price="29500.0")
        await exchange.submit(bought)
        await told.ended(bought.client_order_id)
        await told.until(lambda report: report.quantity_ordered == 1)
        seen = [(report.client_order_id, report.order_status, report.execution_id) for report in told.reports]
        assert len(seen) == len(set(seen))
        counted_once(kraken, told)


async def test_without_a_line_an_entry_is_refused_and_an_exit_goes_by_rest():
    async with trading() as (kraken, exchange, told):
        resting = order(limit_price="29000.0")
        await exchange.submit(resting)
        faults(kraken, disconnect=1)  # no line survives its first frame; REST has none
        await line_is(told, False, 1)
        with pytest.raises(ExchangeError) as refused:
            await exchange.submit(order(limit_price="29000.0"))
        assert refused.value.code == "EXCHANGE_DISCONNECTED"
        sold = order("SELL", kind="MARKET", quantity="0.5")
        await exchange.submit(sold)
        await exchange.cancel(resting.client_order_id)
        assert (await exchange.balances())["BTC"] == Decimal("1.5")
        assert await exchange.cancel_all() == 0
        faults(kraken, disconnect=0)
        assert (await told.ended(sold.client_order_id)).order_status == "FILLED"
        assert (await told.ended(resting.client_order_id)).order_status == "CANCELED"
        assert len(kraken.exchange.orders(KEY)) == 2
        counted_once(kraken, told)


async def test_a_cancel_whose_answer_is_lost_is_asked_by_rest_and_is_no_error():
    async with trading() as (kraken, exchange, told):
        resting = order(limit_price="29000.0")
        await exchange.submit(resting)
        faults(kraken, lost_response=1)
        cancelling = asyncio.ensure_future(exchange.cancel(resting.client_order_id))
        await line_is(told, False, 1)
        faults(kraken, lost_response=0)
        await cancelling
        assert (await told.ended(resting.client_order_id)).order_status == "CANCELED"


async def test_a_limited_rest_only_delays_the_recovery():
    async with trading() as (kraken, exchange, told):
        faults(kraken, rate_limit=1, lost_response=1)
        placed = order(quantity="0.5", limit_price="30000.1")
        with pytest.raises(OutcomeUnknownError):
            await exchange.submit(placed)
        faults(kraken, rate_limit=0, lost_response=0)
        assert (await told.ended(placed.client_order_id)).order_status == "FILLED"
        await line_is(told, True, 2)
        counted_once(kraken, told)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_busy_day_with_every_fault_ends_with_one_order_an_intent_and_each_fill_once(seed):
    rates = {
        "disconnect": 0.02, "half_open": 0.003, "duplicate": 0.1, "sequence_gap": 0.05, "delay": 0.002,
        "lost_response": 0.1, "accept_late": 0.05, "reject": 0.05, "rate_limit": 0.02,
    }  # fmt: skip
    async with trading(seed=seed, deadline_s=1.0) as (kraken, exchange, told):
        faults(kraken, **rates)
        sent = []
        for number in range(18):
            entry = number % 3 != 2
            prices = {"limit_price": "30000.1" if number % 2 else "29990.0"} if entry else {"kind": "MARKET"}
            placed = order("BUY" if entry else "SELL", quantity="0.01", **prices)
            sent.append(placed)
            await until(lambda: exchange.is_up)
            try:
                await exchange.submit(placed)
                if number % 4 == 0:
                    await exchange.cancel(placed.client_order_id)
            except (ExchangeError, OutcomeUnknownError):
                continue
        faults(kraken, **dict.fromkeys(rates, 0))
        await asyncio.sleep(3.1)  # what is accepted late has arrived, or its deadline is past
        await exchange.cancel_all()
        await until(lambda: settled(kraken, exchange, told))
        counted_once(kraken, told)
        ids = [found.asked.cl_ord_id for found in kraken.exchange.orders(KEY)]
        assert len(ids) == len(set(ids))
        assert set(ids) <= {placed.client_order_id for placed in sent}


def settled(kraken, exchange, told):
    """Whether every order that the exchange took has been told to its end."""
    ended = {report.client_order_id for report in told.reports if is_terminal(report.order_status)}
    return exchange.is_up and {found.asked.cl_ord_id for found in kraken.exchange.orders(KEY)} <= ended


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (lambda ring: ring.revoke(KEY), "EXCHANGE_REFUSED_KEY", "Invalid key"),
        (lambda ring: ring.lock(KEY, time.time_ns() + 10**12), "EXCHANGE_LOCKED_OUT", "Temporary lockout"),
    ],
    ids=["revoked", "locked"],
)
async def test_a_key_that_is_refused_while_running_ends_the_line_for_good(wrong, code, words):
    async with trading() as (kraken, exchange, told):
        waiting = asyncio.create_task(exchange.finished())
        wrong(kraken.keyring)
        kraken.hang_up()
        with pytest.raises(ExchangeError, match=words) as ended:
            await waiting
        assert ended.value.code == code
        assert not exchange.is_up
        assert told.lines[-1][0] is False


async def test_waiting_for_the_end_of_a_line_is_over_when_it_is_stopped():
    async with trading() as (_, exchange, _told):
        waiting = asyncio.create_task(exchange.finished())
        await exchange.stop()
        assert await waiting is None


async def test_a_token_that_the_exchange_takes_back_costs_one_entry_and_nothing_else():
    async with trading() as (kraken, exchange, told):
        resting = order(quantity="0.1", limit_price="29000.0")
        await exchange.submit(resting)
        await told.until(lambda report: report.client_order_id == resting.client_order_id)
        kraken.exchange.revoke_tokens()
        with pytest.raises(ExchangeError) as refused:
            await exchange.submit(order(quantity="0.1", limit_price="29000.0"))
        assert refused.value.code == "SESSION"
        await exchange.cancel(resting.client_order_id)
        await line_is(told, True, 2)
        again = order(quantity="0.1", limit_price="29000.0")
        await exchange.submit(again)
        assert (
            await told.until(lambda report: report.client_order_id == again.client_order_id)
        ).error_message is None
        assert [found.asked.cl_ord_id for found in kraken.exchange.orders(KEY) if found.is_open] == [
            again.client_order_id
        ]


async def test_what_is_no_entry_goes_by_rest_where_the_token_is_worn_out():
    async with trading() as (kraken, exchange, _):
        kraken.exchange.revoke_tokens()
        sale = order(side="SELL", quantity="0.01", limit_price="31000.0", purpose="EXIT")
        await exchange.submit(sale)
        assert [found.asked.cl_ord_id for found in kraken.exchange.orders(KEY) if found.asked.cl_ord_id] == [
            sale.client_order_id
        ]
