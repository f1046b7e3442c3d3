"""What an open circuit and a lockout hold back, and what passes them."""

import pytest

from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.orders import Amendment
from tests.adapters.kraken.scripted_rest import (
    Time,
    error_of,
    page,
    result_of,
    scripted,
)
from tests.core.kraken.orders import limit

NAME = OrderName("O1")


async def test_cancels_are_repeated_and_pass_an_open_circuit():
    async with scripted(circuit_failures=2, attempts=2) as (kraken, rest):
        kraken.answers("Balance", page(502))
        with pytest.raises(ExchangeError):
            await rest.balances()
        with pytest.raises(ExchangeError) as held:
            await rest.balances()
        with pytest.raises(ExchangeError) as not_sent:
            await rest.amend(NAME, Amendment(quantity=limit().quantity))
        assert (held.value.code, not_sent.value.code) == ("CIRCUIT_OPEN", "CIRCUIT_OPEN")
        assert kraken.count("Balance") == 2
        kraken.answers("CancelOrder", page(502), result_of({"count": 1}))
        assert await rest.cancel(NAME) == 1
        assert kraken.count("CancelOrder") == 2


async def test_what_protects_a_position_passes_an_open_circuit_and_is_still_sent_once():
    async with scripted(circuit_failures=1, attempts=1) as (kraken, rest):
        kraken.answers("Balance", page(502))
        kraken.answers("AddOrder", page(502), result_of({"txid": ["O1"]}))
        with pytest.raises(ExchangeError):
            await rest.balances()
        with pytest.raises(ExchangeError) as held:
            await rest.add_order(limit())
        assert (held.value.code, kraken.count("AddOrder")) == ("CIRCUIT_OPEN", 0)
        with pytest.raises(OutcomeUnknownError):
            await rest.add_order(limit(purpose="STOP"))
        assert kraken.count("AddOrder") == 1
        assert await rest.add_order(limit(purpose="STOP")) == "O1"


async def test_a_token_is_asked_for_once_whatever_failed_before_and_its_answer_closes_the_circuit():
    async with scripted(circuit_failures=2, attempts=2) as (kraken, rest):
        kraken.answers("Balance", page(502), page(502), result_of({}))
        kraken.answers("GetWebSocketsToken", page(502), result_of({"token": "T", "expires": 900}))
        with pytest.raises(ExchangeError):
            await rest.balances()
        with pytest.raises(ExchangeError) as unanswered:
            await rest.websocket_token()
        assert (unanswered.value.code, kraken.count("GetWebSocketsToken")) == ("HTTP_502", 1)
        with pytest.raises(ExchangeError) as held:
            await rest.balances()
        assert held.value.code == "CIRCUIT_OPEN"
        assert await rest.websocket_token() == "T"
        assert await rest.balances() == {}


async def test_a_token_waits_for_the_end_of_a_lockout():
    time = Time()
    async with scripted(time) as (kraken, rest):
        kraken.answers(
            "GetWebSocketsToken",
            error_of("EGeneral:Temporary lockout"),
            result_of({"token": "T", "expires": 900}),
        )
        for code in ("LOCKOUT", "CIRCUIT_OPEN"):
            with pytest.raises(ExchangeError) as refused:
                await rest.websocket_token()
            assert refused.value.code == code
        assert kraken.count("GetWebSocketsToken") == 1
        time.seconds += 1200
        assert await rest.websocket_token() == "T"


async def test_a_circuit_closes_after_its_pause():
    time = Time()
    async with scripted(time, circuit_failures=1, attempts=1) as (kraken, rest):
        kraken.answers("Balance", page(502), result_of({}))
        with pytest.raises(ExchangeError):
            await rest.balances()
        time.seconds += 60
        assert await rest.balances() == {}


async def test_after_a_lockout_nothing_private_is_asked_for_minutes_but_cancels_are():
    time = Time()
    async with scripted(time) as (kraken, rest):
        kraken.answers("Balance", error_of("EGeneral:Temporary lockout"), result_of({}))
        with pytest.raises(ExchangeError, match="check the keys"):
            await rest.balances()
        time.seconds += 600
        with pytest.raises(ExchangeError) as held:
            await rest.balances()
        kraken.answers("CancelAll", result_of({"count": 4}))
        kraken.answers("Time", result_of({"unixtime": 1_772_366_400}))
        assert (held.value.code, await rest.cancel_all()) == ("CIRCUIT_OPEN", 4)
        assert await rest.server_time_ns() == 1_772_366_400_000_000_000
        time.seconds += 600
        assert await rest.balances() == {}
