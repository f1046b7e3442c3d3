"""Our books find back to the exchange's: missed fills, strangers' orders, money that moved, and what nothing explains."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.order_reports import report_of_fill
from gal_friday_core.reconciliation import ExchangeView, InternalView
from gal_friday_core.times import DAY_NS, MINUTE_NS
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.reconciliation_run import plain
from tests.live.account import PAIR, START, Account, desk, order


async def test_a_clean_account_opens_the_gate_and_is_journalled():
    async with desk() as our:
        assert (our.service.clean, our.gate.why(PAIR)) == (True, None)
        (entry,) = [entry async for entry in our.journal.read(kind="RECONCILIATION")]
        assert (entry.record["cause"], entry.record["clean"], entry.record["status"]) == (
            "start",
            True,
            "CLEAN",
        )
        assert [event.status for event in our.told] == ["CLEAN"]


async def test_entries_wait_until_the_account_was_compared():
    async with desk(start=False) as our:
        our.account.fault = "EService:Unavailable"
        await our.service.start()
        assert our.gate.why(PAIR) == ("RECONCILING", "ExchangeError: EService:Unavailable")
        assert our.service.last.status == "FAILED"
        our.account.fault = ""
        await our.reconcile()
        assert our.gate.why(PAIR) is None


async def test_a_fill_that_was_never_told_is_booked_once_through_the_execution_handlers_door():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        await our.account.trade(number, "0.4", "100", "0.1", order=sent, told=False)
        told = await our.reconcile()
        assert (told.status, our.portfolio.position(PAIR).quantity) == ("RESOLVED", Decimal("0.4"))
        assert [action["action"] for action in told.resolution_actions] == ["APPLY_FILL"]
        assert our.execution.blotter.get("a").status == "PARTIALLY_FILLED"
        assert our.books_agree()
        await our.reconcile()
        assert our.portfolio.fills == 1


async def test_a_fee_in_an_asset_that_is_not_traded_leaves_the_books_equal_over_a_restart_too():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        await our.account.trade(number, "1", "100", "35", "KFEE", order=sent)
        await our.reconcile()
        assert (our.service.clean, our.books_agree(), our.triggers) == (True, True, [])
        account, journal = our.account, our.journal
    async with desk(account, journal=journal) as again:
        assert (again.service.clean, again.books_agree(), again.triggers) == (True, True, [])


async def test_a_fill_that_was_journalled_but_never_booked_reaches_the_books():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        forgotten = our.portfolio.positions.book
        our.portfolio.positions.book = lambda report: None
        await our.account.trade(number, "1", "100", order=sent)
        our.portfolio.positions.book = forgotten
        assert our.execution.blotter.is_booked("T1")
        assert not our.portfolio.positions.booked("T1", START)
        await our.reconcile()
        assert our.service.clean
        assert our.books_agree()


async def test_fills_that_a_clean_comparison_found_are_forgotten_after_two_hours_and_never_booked_again():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        await our.account.trade(number, "1", "100", order=sent)
        (fill,), before = our.account.trades, our.portfolio.funds.balances()
        for minute in range(1, 145):
            await our.bar("100")
            if minute % 20 == 0:
                await our.reconcile()
        assert our.portfolio.positions._portfolio.executions == {}
        report = report_of_fill(
            sent, fill, our.account.name, cumulative=fill.quantity, quantity=sent.quantity
        )
        await our.execution.absorb(report)
        assert our.portfolio.positions.book(report) is None
        await our.reconcile()
        assert (our.service.clean, our.portfolio.funds.balances(), our.triggers) == (True, before, [])


async def test_an_order_that_ended_unheard_ends_here():
    async with desk() as our:
        sent = order()
        await our.send(sent)
        await our.account.end("a", "CANCELED")
        await our.reconcile()
        assert our.execution.blotter.get("a").status == "CANCELED"
        assert our.service.clean


async def test_an_order_that_the_exchange_forgot_is_ended_only_after_several_readings():
    async with desk(readings=20) as our:
        await our.send(order())
        del our.account.orders["O1"]
        reads = our.account.reads
        told = await our.reconcile()
        assert our.execution.blotter.get("a").status == "CANCELED"
        assert told.status == "RESOLVED"
        assert our.account.reads - reads > 3


async def test_an_order_whose_answer_was_lost_is_taken_over_as_it_is():
    async with desk() as our:
        sent = order()
        await our.send(sent, told=False)
        assert our.execution.blotter.get("a").status == "PENDING_NEW"
        await our.reconcile()
        assert our.execution.blotter.get("a").status == "NEW"
        assert our.execution.blotter.get("a").exchange_order_id == "O1"


async def test_terms_that_were_changed_outside_are_taken_over():
    async with desk() as our:
        await our.send(order())
        our.account.orders["O1"] = replace(our.account.orders["O1"], limit_price=Decimal(90))
        await our.reconcile()
        assert our.execution.blotter.get("a").limit_price == 90
        assert our.service.clean


async def test_a_strangers_order_is_adopted_and_its_fills_are_booked():
    async with desk() as our:
        number = await our.account.place(order("their own"), ours=False, told=False)
        await our.reconcile()
        adopted = our.execution.blotter.get(f"external:{number}")
        assert (adopted.order.purpose, adopted.order.signal_id, adopted.status) == ("EXTERNAL", "", "NEW")
        await our.account.trade(number, "0.5", "100", "0.2", told=False)
        await our.account.trade(number, "0.5", "100", "0.2", told=False)
        await our.reconcile()
        assert our.portfolio.position(PAIR).quantity == 1
        assert adopted.status == "FILLED"
        assert our.books_agree()
        assert our.triggers == []


async def test_several_fills_of_a_strangers_order_that_is_over_are_one_order():
    async with desk() as our:
        number = await our.account.place(order("their own"), ours=False, told=False)
        for _ in range(4):
            await our.account.trade(number, "0.25", "100", told=False)
        await our.reconcile()
        assert our.execution.blotter.get(f"external:{number}").quantity == 1
        assert our.service.clean
        assert our.triggers == []


async def test_a_stop_that_the_exchange_made_for_an_entry_is_known_by_its_parent():
    async with desk() as our:
        number = await our.send(order())
        child = await our.account.place(order("x", "SELL"), ours=False, told=False, parent=number)
        await our.reconcile()
        stop = our.execution.blotter.get(f"a-SL-{child}")
        assert (stop.order.signal_id, stop.order.purpose) == ("signal-a", "STOP")


async def test_a_strangers_trade_on_another_pair_moves_money_and_makes_no_position():
    async with desk() as our:
        number = await our.account.place(
            order("theirs", quantity="10", pair="ETH/USD"), ours=False, told=False
        )
        await our.account.trade(number, "10", "20", "0.5", told=False)
        await our.reconcile()
        assert (our.service.clean, our.portfolio.funds.cash) == (True, Decimal("9799.5"))
        assert our.portfolio.state().positions == {}
        assert our.portfolio.state().total_drawdown == 0


@pytest.mark.parametrize(("asset", "amount"), [("USD", "500"), ("USD", "-500"), ("BTC", "0.5")])
async def test_money_that_came_or_went_is_no_profit(asset, amount):
    async with desk() as our:
        await our.bar("100")
        our.account.flow(asset, amount)
        await our.reconcile()
        if asset == "BTC":
            assert our.portfolio.funds.waiting
            assert our.gate.why(PAIR) == ("RECONCILING", "0.5 BTC is not booked before its first price")
            await our.bar("120")
            await our.reconcile()
        state = our.portfolio.state()
        assert (our.service.clean, our.books_agree()) == (True, True)
        assert (state.realized_pnl + state.unrealized_pnl, state.total_drawdown) == (0, 0)
        assert our.journal.counts["CASH_FLOW"] == 2


async def test_a_trifle_that_nothing_explains_is_adjusted_after_several_readings():
    async with desk(confirmations=3) as our:
        our.account.holds["USD"] -= Decimal("0.003")
        told = await our.reconcile()
        assert [action["action"] for action in told.resolution_actions] == ["ADJUST"]
        assert (our.service.clean, our.portfolio.funds.cash) == (True, Decimal("9999.997"))
        assert our.portfolio.state().total_drawdown == 0


async def test_adjustments_of_a_day_come_to_an_end():
    async with desk(adjust_below="1", adjust_daily="1.5") as our:
        our.account.holds["USD"] -= Decimal("0.9")
        await our.reconcile()
        assert our.service.clean
        our.account.holds["USD"] -= Decimal("0.9")
        await our.reconcile()
        assert [trigger.reason for trigger in our.triggers] == ["RECONCILIATION_FAILED"]


async def test_adjustments_of_a_day_come_to_an_end_over_a_restart_too():
    limits = {"adjust_below": "1", "adjust_daily": "1.5"}
    async with desk(**limits) as our:
        our.account.holds["USD"] -= Decimal("0.9")
        await our.reconcile()
        assert our.service.clean
        account, journal = our.account, our.journal
    account.holds["USD"] -= Decimal("0.9")
    async with desk(account, journal=journal, **limits) as again:
        assert [trigger.reason for trigger in again.triggers] == ["RECONCILIATION_FAILED"]
    account.clock.advance_to(account.clock.now_ns() + DAY_NS)
    async with desk(account, journal=journal, **limits) as tomorrow:
        assert (tomorrow.triggers, tomorrow.service.clean) == ([], True)


async def test_a_balance_that_nothing_explains_halts_and_keeps_the_gate_shut():
    async with desk(confirmations=3) as our:
        our.account.holds["USD"] -= 250
        told = await our.reconcile()
        assert (told.status, our.service.clean) == ("DISCREPANCY_FOUND", False)
        (trigger,) = our.triggers
        assert (trigger.reason, trigger.details["value"]) == ("RECONCILIATION_FAILED", "250.00000000")
        assert our.gate.why(PAIR)[0] == "RECONCILING"
        assert our.portfolio.funds.cash == 10_000  # nothing is guessed
        assert await our.service.check() == "USD: 10000.00000000 booked, 9750 at the exchange"
        our.account.flow("USD", "-250", "WITHDRAWAL")
        our.account.holds["USD"] += 250  # the withdrawal that was listed late
        assert await our.service.check() == ""


async def test_what_happens_while_the_account_is_read_halts_nothing():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)

        async def fills():
            await our.account.trade(number, "1", "100", "0.3", order=sent)

        our.account.between_reads = fills
        told = await our.reconcile()
        assert our.service.clean
        assert told.status in ("CLEAN", "RESOLVED")
        assert our.triggers == []


async def test_a_line_that_went_down_shuts_the_gate_until_the_account_was_read_anew():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        our.account.line(False, "half open")
        assert our.gate.why(PAIR) == ("RECONCILING", "the line to the account is down: half open")
        await our.account.trade(number, "1", "100", order=sent, told=False)
        await our.reconcile()
        assert our.gate.why(PAIR) is not None
        compared = asyncio.Event()
        our.bus.subscribe("RECONCILIATION", lambda _: compared.set())
        our.account.line(True, "connected")
        await compared.wait()
        assert our.gate.why(PAIR) is None
        assert our.told[-1].status in ("CLEAN", "RESOLVED")
        assert our.books_agree()


async def test_money_that_the_line_tells_of_shuts_the_gate_until_it_is_booked():
    async with desk() as our:
        our.account.flow("USD", "-2000", "WITHDRAWAL")
        our.account.told_flow("withdrawal of -2000 USD")
        assert our.gate.why(PAIR) == ("RECONCILING", "money was moved: withdrawal of -2000 USD")
        compared = asyncio.Event()
        our.bus.subscribe("RECONCILIATION", lambda _: compared.set())
        await compared.wait()
        assert our.gate.why(PAIR) is None
        assert our.portfolio.funds.cash == 8000


async def test_money_that_moves_while_the_account_is_read_has_it_read_again():
    async with desk() as our:

        async def moved():
            our.account.told_flow("deposit of 500 USD")

        our.account.between_reads = moved
        await our.reconcile()
        assert not our.service.clean
        compared = asyncio.Event()
        our.bus.subscribe("RECONCILIATION", lambda _: compared.set())
        await compared.wait()
        assert our.service.clean


async def test_a_restart_restores_the_books_and_finds_what_happened_in_between():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        await our.account.trade(number, "0.5", "100", "0.001", "BTC", order=sent)
        await our.bar("110")
        before = our.portfolio.state()
        account, journal = our.account, our.journal
    await account.trade(number, "0.5", "100", "0.001", "BTC", told=False)
    account.flow("USD", "1000")
    account.clock.advance_to(account.clock.now_ns() + MINUTE_NS)
    async with desk(account, journal=journal, start=False) as again:
        assert again.portfolio.state().positions == before.positions
        assert again.portfolio.state().total_equity == before.total_equity
        await again.service.start()
        assert again.service.clean
        assert again.portfolio.position(PAIR).quantity == Decimal("0.998")
        assert again.execution.blotter.get("a").status == "FILLED"
        assert again.books_agree()


async def test_a_comparison_by_a_clock_that_is_ahead_hides_no_money_from_later_ones():
    async with desk() as our:
        account, journal = our.account, our.journal
        right_ns = account.clock.now_ns()
        our.gate.block("CLOCK_OFFSET", "86400 s")
        account.clock.advance_to(right_ns + DAY_NS)
        await our.reconcile()
        assert our.service.clean
    account.clock = SimulatedClock(right_ns + MINUTE_NS)
    account.flow("USD", "-100", "WITHDRAWAL")
    async with desk(account, journal=journal) as again:
        assert again.service.clean
        assert again.portfolio.funds.cash == 9_900


async def test_a_fill_reported_but_not_booked_before_a_crash_is_booked_at_the_restart():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        our.portfolio.positions.book = lambda report: None
        await our.account.trade(number, "1", "100", order=sent)
        account, journal = our.account, our.journal
    account.trades.clear()  # not even the exchange would tell again
    async with desk(account, journal=journal, start=False) as again:
        assert again.portfolio.position(PAIR).quantity == 1
        assert again.books_agree()


async def test_coins_held_before_us_are_taken_over_at_the_first_price_even_after_a_restart():
    account = Account(SimulatedClock(START), BTC="2")
    async with desk(account) as our:
        assert our.portfolio.position(PAIR).quantity == 0
        assert our.gate.why(PAIR) is not None
        journal = our.journal
    async with desk(account, journal=journal) as our:
        await our.bar("150")
        await our.reconcile()
        state = our.portfolio.get_current_state(PAIR)
        assert our.service.clean
        assert (state["total_equity"], state["total_drawdown_pct"]) == ("10300.00000000", "0.0000")
        assert state["positions"][PAIR]["average_entry_price"] == "150.00000000"


async def test_a_window_of_fills_never_reaches_behind_the_opening():
    async with desk(start=False) as our:
        stranger = await our.account.place(order("old"), ours=False, told=False)
        our.account.clock.advance_to(our.clock.now_ns() + MINUTE_NS)
        del our.account.orders[stranger]
        await our.service.start()
        assert our.service.clean
        assert our.service._since() == our.portfolio.opened_ns


async def test_the_interface_of_the_specification_works_on_dictionaries():
    async with desk() as our:
        sent = order()
        number = await our.send(sent)
        await our.account.trade(number, "1", "100", order=sent, told=False)
        found = await our.service.detect_discrepancies(
            plain(InternalView(balances={"USD": Decimal(10)})),
            plain(ExchangeView(read_ns=1, fills=tuple(our.account.trades))),
        )
        assert [item["kind"] for item in found] == ["MISSED_FILL"]
        assert await our.service.resolve_discrepancy(found[0])
        assert our.portfolio.position(PAIR).quantity == 1
        assert (await our.service.reconcile_positions())["reconciliation_type"] == "PORTFOLIO"
        with pytest.raises(ContractError, match="read_ns"):
            await our.service.detect_discrepancies({}, {})
        with pytest.raises(ContractError, match="one is the least"):
            await our.service.schedule_reconciliation(0)


async def test_the_portfolio_asks_the_service_before_it_complains():
    async with desk() as our:
        our.account.flow("USD", "77")
        await our.portfolio.reconcile_with_exchange()
        our.account.holds["USD"] += 300
        with pytest.raises(ContractError, match=r"USD: booked 10077\.00000000, exchange 10377"):
            await our.portfolio.reconcile_with_exchange()


async def test_an_exchange_that_fails_halfway_leaves_the_gate_shut():
    async with desk() as our:
        our.account.flow("USD", "10")

        async def breaks():
            raise ExchangeError("cut off")

        our.account.between_reads = breaks
        told = await our.reconcile()
        assert (told.status, our.service.clean) == ("FAILED", False)
        assert our.gate.why(PAIR) == ("RECONCILING", "ExchangeError: cut off")


@pytest.mark.parametrize("turns", range(8))
async def test_a_stop_between_two_comparisons_is_taken_whenever_it_comes(turns):
    async with desk() as our:
        our.account.fault = "cut off"
        await our.reconcile()
        waiting = asyncio.ensure_future(our.service._next_cause())
        for _ in range(turns):
            await asyncio.sleep(0)
        was_waiting = waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled() == was_waiting
