"""What halts trading, what a halt stops, and what it lets through."""

from decimal import Decimal

from gal_friday_core.errors import ExchangeError, StorageError
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper_exchange import PaperExchange
from tests.live.trading import CASH, checked, collect, trading
from tests.live.world import manager


async def test_a_failing_handler_halts_trading_and_is_reported():
    async with trading() as engine:
        errors, states = collect(engine, "SYSTEM_ERROR"), collect(engine, "SYSTEM_STATE_CHANGE")
        count = 0

        async def fails_once(event):
            nonlocal count
            count += 1
            if count == 700:
                raise ValueError("planted")

        engine.bus.subscribe("PREDICTION_GENERATED", fails_once)
        at_halt = []

        async def note_orders(event):
            at_halt.append(engine.execution.orders)

        engine.bus.subscribe("SYSTEM_STATE_CHANGE", note_orders)
        await engine.run()
    assert engine.halt.halted
    assert engine.halt.reason == "HANDLER_FAILED: PREDICTION_GENERATED: ValueError: planted"
    assert [event.payload.message for event in errors] == ["ValueError: planted"]
    assert [event.payload.new_state for event in states] == ["HALTED"]
    assert engine.risk.rejected["HALTED"] > 0
    # A position that was open may still be left; nothing was entered.
    assert engine.execution.orders - at_halt[0] <= 1
    assert engine.portfolio.position("BTC/USD").quantity == 0


async def test_a_failing_exchange_task_halts_trading():
    class Broken(PaperExchange):
        async def submit(self, order):
            raise RuntimeError("planted")

    async with checked(Broken) as engine:
        await engine.run()
    assert engine.halt.reason.startswith("TASK_FAILED: place ")
    assert engine.execution.orders == 1


async def test_a_refusal_of_the_exchange_is_reported_and_never_retried():
    sent = []

    class Refusing(PaperExchange):
        async def submit(self, order):
            sent.append(order.client_order_id)
            raise ExchangeError("EOrder:Insufficient funds")

    async with checked(Refusing) as engine:
        reports = collect(engine, "EXECUTION_REPORT")
        await engine.run()
    assert len(sent) == len(set(sent)) > 1
    assert {event.payload.order_status for event in reports} == {"REJECTED"}
    assert not engine.halt.halted


async def test_an_unknown_outcome_is_reported_as_such_and_keeps_its_reservation():
    sent = []

    class Silent(PaperExchange):
        async def submit(self, order):
            sent.append(order)
            raise TimeoutError

    async with checked(Silent) as engine:
        reports = collect(engine, "EXECUTION_REPORT")
        await engine.run()
    assert len(sent) == 1  # the entry stays pending: nothing is sent again, nothing beside it
    assert [event.payload.order_status for event in reports] == ["UNKNOWN"]
    assert Decimal(engine.portfolio.get_current_state()["available_balance"]) < CASH


async def test_without_a_durable_intent_no_order_is_sent_and_trading_halts():
    sent = []

    class Watched(PaperExchange):
        async def submit(self, order):
            sent.append(order)
            await super().submit(order)

    class Full(MemoryJournal):
        async def append(self, kind, key, ts_ns, record):
            if kind == "ORDER_INTENT":
                raise StorageError("no space left")
            await super().append(kind, key, ts_ns, record)

    journal = Full()
    async with checked(Watched, journal) as engine:
        await engine.run()
    assert sent == []
    assert "no space left" in engine.halt.reason
    assert engine.execution.refused == {"INTENT_NOT_JOURNALLED": 1}
    told = [entry.record["order_status"] for entry in journal.entries if entry.kind == "EXECUTION_REPORT"]
    assert told == ["ERROR"]  # should the intent become durable yet, a restart knows that nothing was sent


async def test_a_halt_between_approval_and_send_stops_the_entry():
    sent = []

    class Watched(PaperExchange):
        async def submit(self, order):
            sent.append(order)
            await super().submit(order)

    class SlowJournal(MemoryJournal):
        """Between asking for the intent and having it, somebody halts."""

        async def append(self, kind, key, ts_ns, record):
            await super().append(kind, key, ts_ns, record)
            if kind == "ORDER_INTENT":
                await engine.monitoring.trigger_halt("MANUAL_HALT_COMMAND")

    async with checked(Watched, SlowJournal()) as engine:
        reports = collect(engine, "EXECUTION_REPORT")
        await engine.run()
    assert sent == []
    assert [event.payload.error_message for event in reports] == ["HALTED"]


async def test_a_drawdown_beyond_its_limit_halts_and_leaves_only_exits():
    config = manager(
        risk={"max_daily_drawdown": "0.004", "max_pair_exposure": "1", "max_total_exposure": "1"}
    )
    async with trading(config) as engine:
        await engine.run()
    assert engine.halt.reason == "DAILY_DRAWDOWN_LIMIT_HIT"
    assert engine.summary()["halted"]
    assert engine.summary()["halt_reasons"] == ["DAILY_DRAWDOWN_LIMIT_HIT"]
    assert engine.portfolio.position("BTC/USD").quantity == 0


async def test_a_halted_session_starts_halted_again():
    journal = MemoryJournal()
    async with trading(journal=journal) as engine:
        await engine.monitoring.trigger_halt("MANUAL_HALT_COMMAND")
    async with trading(journal=journal) as engine:
        assert engine.monitoring.is_halted()
        assert engine.halt.reason == "MANUAL_HALT_COMMAND"
        await engine.run()
        assert engine.execution.orders == 0
        assert (await engine.monitoring.trigger_resume()).refusal == "REASON_MISSING"
        assert (await engine.monitoring.trigger_resume("looked at it")).refusal == "WHO_MISSING"
        assert engine.monitoring.is_halted()
        assert (await engine.monitoring.trigger_resume("looked at it", "ada")).resumed
        assert not engine.monitoring.is_halted()
    async with trading(journal=journal) as engine:
        assert not engine.monitoring.is_halted()


async def test_a_halt_cancels_the_entry_that_waits_and_keeps_protection():
    async with trading() as engine:
        reports = collect(engine, "EXECUTION_REPORT")

        async def halt_after_entry(event):
            if event.payload.order_type == "MARKET" and event.payload.order_status == "NEW":
                await engine.monitoring.trigger_halt("MANUAL_HALT_COMMAND")

        engine.bus.subscribe("EXECUTION_REPORT", halt_after_entry)
        await engine.run()
    assert [event.payload.order_status for event in reports] == ["NEW", "CANCELED"]
    assert engine.portfolio.fills == 0


async def test_liquidation_sells_what_is_held_and_only_when_asked_for_by_name():
    async with trading() as engine:

        async def halt_when_filled(event):
            if event.payload.order_status == "FILLED" and event.payload.side == "BUY":
                await engine.monitoring.trigger_halt("MANUAL_HALT_COMMAND", "LIQUIDATE_POSITIONS")

        engine.bus.subscribe("EXECUTION_REPORT", halt_when_filled)
        await engine.run()
    assert engine.portfolio.fills == 2
    assert engine.portfolio.position("BTC/USD").quantity == 0
    assert engine.execution.orders == 2


async def test_a_halted_engine_liquidates_when_asked_and_keeps_the_reason_of_its_halt():
    journal = MemoryJournal()
    async with trading(journal=journal) as engine:

        async def halt_when_filled(event):
            if event.payload.order_status == "FILLED" and event.payload.side == "BUY":
                await engine.monitoring.trigger_halt("STORAGE_DOWN")
                assert engine.portfolio.position("BTC/USD").quantity > 0
                await engine.monitoring.trigger_halt("MANUAL by ada: out", "LIQUIDATE_POSITIONS")
                await engine.monitoring.trigger_halt("DISK_FULL")

        engine.bus.subscribe("EXECUTION_REPORT", halt_when_filled)
        await engine.run()
    assert engine.portfolio.position("BTC/USD").quantity == 0
    assert engine.execution.orders == 2
    async with trading(journal=journal) as engine:
        assert (engine.halt.reason, engine.halt.action) == ("STORAGE_DOWN", "LIQUIDATE_POSITIONS")
