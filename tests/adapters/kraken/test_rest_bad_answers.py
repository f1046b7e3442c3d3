"""What comes back instead of an answer, and what may be concluded from it."""

import asyncio
import gzip
import socket

import pytest
from aiohttp import web

from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_core.errors import ConfigError, ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken.order_requests import OrderName
from tests.adapters.kraken.scripted_rest import (
    SECRET,
    Time,
    client,
    cut,
    error_of,
    half,
    never,
    page,
    result_of,
    scripted,
)
from tests.core.kraken.orders import CLIENT_ID, limit

NAME = OrderName("O1")
NO_ANSWER = [
    page(200),
    page(502),
    page(520, "error code: 520"),
    page(200, '{"error":[],"result":{"txid":["O'),
    page(200, '{"error":[]}'),
    page(200, "null"),
    page(500, '{"error":[],"result":{"txid":["O1"]}}'),
    cut,
    half,
    never,
    error_of("EService:Unavailable"),
    error_of("EService:Busy"),
    error_of("EGeneral:Internal error"),
    error_of("EGeneral:Never heard of"),
    error_of("EAPI:Invalid nonce"),
]
NOBODY_KNOWS = [
    *NO_ANSWER,
    page(200, '{"error":[],"result":{"txid":7}}'),
    result_of({"descr": {"order": "buy"}}),
]


@pytest.mark.parametrize("answer", NOBODY_KNOWS)
async def test_an_order_whose_fate_nobody_knows_is_said_to_be_unknown_and_sent_once(answer):
    async with scripted(timeout_s=0.3) as (kraken, rest):
        kraken.answers("AddOrder", answer)
        with pytest.raises(OutcomeUnknownError):
            await rest.add_order(limit())
        assert kraken.count("AddOrder") == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error_of("EOrder:Insufficient funds"), "INSUFFICIENT_FUNDS"),
        (error_of("EAPI:Rate limit exceeded"), "REST_RATE_LIMIT"),
        (error_of("EService:Deadline elapsed"), "DEADLINE_ELAPSED"),
        (error_of("EGeneral:Temporary lockout"), "LOCKOUT"),
        (error_of("EAPI:Invalid key"), "INVALID_KEY"),
        (page(429), "HTTP_429"),
        (page(403), "HTTP_403"),
        (page(302), "HTTP_302"),
    ],
)
async def test_an_order_that_was_refused_for_certain_says_why_and_is_sent_once(answer, code):
    async with scripted() as (kraken, rest):
        kraken.answers("AddOrder", answer)
        with pytest.raises(ExchangeError) as refused:
            await rest.add_order(limit())
        assert (refused.value.code, kraken.count("AddOrder")) == (code, 1)


async def test_an_exchange_that_cannot_be_reached_has_certainly_not_heard():
    async with scripted() as (_, rest):
        await rest.instruments()
        line = rest._line
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            line._calls._url = f"http://127.0.0.1:{free.getsockname()[1]}"
            with pytest.raises(ExchangeError) as refused:
                await rest.add_order(limit())
        assert refused.value.code == "UNREACHABLE"


@pytest.mark.parametrize("answer", NO_ANSWER)
async def test_a_read_is_repeated_until_it_is_answered(answer):
    async with scripted(timeout_s=0.3) as (kraken, rest):
        kraken.answers("Balance", answer, result_of({"ZUSD": "5.00"}))
        assert await rest.balances() == {"USD": 5}
        assert kraken.count("Balance") == 2


async def test_a_read_that_is_never_answered_ends_with_the_last_reason():
    async with scripted(attempts=3) as (kraken, rest):
        kraken.answers("Balance", page(502))
        with pytest.raises(ExchangeError, match="Balance: HTTP status 502") as refused:
            await rest.balances()
        assert (refused.value.code, kraken.count("Balance")) == ("HTTP_502", 3)


async def test_a_read_that_was_refused_is_not_repeated():
    async with scripted() as (kraken, rest):
        kraken.answers("Balance", error_of("EGeneral:Permission denied"))
        with pytest.raises(ExchangeError, match="permissions"):
            await rest.balances()
        assert kraken.count("Balance") == 1


async def test_pauses_between_attempts_grow():
    time = Time()
    async with scripted(time, attempts=4, retry_s=0.5, circuit_failures=9) as (kraken, rest):
        kraken.answers("Balance", page(502))
        with pytest.raises(ExchangeError):
            await rest.balances()
        assert time.slept == [0.5, 1.0, 2.0]


async def test_a_limit_is_given_time_to_drain_and_a_throttle_is_waited_out():
    time = Time()
    async with scripted(time) as (kraken, rest):
        throttled = error_of(f"EService: Throttled: {1_772_366_400 + 7}")
        kraken.answers("Balance", throttled, error_of("EAPI:Rate limit exceeded"), result_of({}))
        assert await rest.balances() == {}
        assert time.slept[0] == 7
        assert time.slept[1] >= 5


async def test_reads_keep_to_the_counter_and_orders_do_not_wait_for_it():
    time = Time()
    async with scripted(time) as (kraken, rest):
        kraken.answers("Balance", result_of({}))
        kraken.answers("AddOrder", result_of({"txid": ["O1"]}))
        for _ in range(19):
            await rest.balances()
        assert time.slept == []
        await rest.add_order(limit())
        assert time.slept == []
        for _ in range(6):
            await rest.balances()
        assert 6 <= sum(time.slept) < 6.1


async def test_the_list_of_pairs_is_fetched_once_for_all_who_wait_for_it():
    async with scripted() as (kraken, rest):
        kraken.answers("AddOrder", result_of({"txid": ["O1"]}))
        await asyncio.gather(*(rest.add_order(limit()) for _ in range(8)))
        assert (kraken.count("AssetPairs"), kraken.count("AddOrder")) == (1, 8)


async def test_every_attempt_has_a_nonce_above_the_last():
    async with scripted() as (kraken, rest):
        kraken.answers("Balance", error_of("EAPI:Invalid nonce"), page(502), cut, result_of({}))
        await rest.balances()
        assert kraken.nonces == sorted(set(kraken.nonces))
        assert len(kraken.nonces) == 4


async def test_a_cancel_that_was_never_answered_is_unknown_and_one_of_a_gone_order_is_not():
    async with scripted(attempts=2) as (kraken, rest):
        kraken.answers("CancelOrder", cut)
        with pytest.raises(OutcomeUnknownError):
            await rest.cancel(NAME)
        kraken.answers("CancelOrder", error_of("EOrder:Unknown order"))
        with pytest.raises(ExchangeError) as gone:
            await rest.cancel(NAME)
        assert gone.value.code == "UNKNOWN_ORDER"


class Hanging:
    """Answers once it is released; says when it was asked."""

    def __init__(self, value: object) -> None:
        self.asked, self.released = asyncio.Event(), asyncio.Event()
        self._value = value

    async def __call__(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self.released.wait()
        return web.json_response({"error": [], "result": self._value})


async def test_a_cancel_does_not_wait_for_a_read_or_an_order_that_hangs():
    async with scripted(timeout_s=5) as (kraken, rest):
        read, order = Hanging({}), Hanging({"txid": ["O1"]})
        kraken.answers("Balance", read)
        kraken.answers("AddOrder", order)
        kraken.answers("CancelOrder", result_of({"count": 1}))
        await rest.instruments()
        reading = asyncio.create_task(rest.balances())
        await read.asked.wait()
        placing = asyncio.create_task(rest.add_order(limit()))
        await order.asked.wait()
        assert await rest.cancel(NAME) == 1
        assert not reading.done()
        assert not placing.done()
        read.released.set()
        order.released.set()
        assert await asyncio.gather(reading, placing) == [{}, "O1"]


async def test_reads_wait_for_an_order_on_its_way_and_come_after_it():
    async with scripted(timeout_s=5) as (kraken, rest):
        order = Hanging({"txid": ["O1"]})
        kraken.answers("AddOrder", order)
        kraken.answers("Balance", result_of({}))
        await rest.instruments()
        placing = asyncio.create_task(rest.add_order(limit()))
        await order.asked.wait()
        reading = asyncio.create_task(rest.balances())
        for _ in range(50):
            await asyncio.sleep(0)
        assert kraken.count("Balance") == 0
        order.released.set()
        await asyncio.gather(placing, reading)
        assert kraken.nonces == sorted(kraken.nonces)


async def test_an_answer_that_never_ends_is_cut_short(monkeypatch):
    monkeypatch.setattr("gal_friday_adapters.kraken.rest_calls.LONGEST_ANSWER", 10_000)
    bomb = gzip.compress(b" " * 5_000_000)
    async with scripted(attempts=1) as (kraken, rest):
        kraken.answers("Balance", lambda _: web.Response(body=bomb, headers={"Content-Encoding": "gzip"}))
        with pytest.raises(ExchangeError) as refused:
            await rest.balances()
        assert refused.value.code == "NOT_KRAKEN"


@pytest.mark.parametrize("answer", [page(200), page(502), cut, half, error_of("EAPI:Invalid signature")])
async def test_no_error_shows_the_key_the_secret_or_the_signature(answer):
    async with scripted(attempts=1) as (kraken, rest):
        headers = []

        def spy(request: web.Request):
            headers.append(request.headers["API-Sign"])
            return answer(request)

        kraken.answers("AddOrder", spy)
        with pytest.raises((ExchangeError, OutcomeUnknownError)) as refused:
            await rest.add_order(limit())
        told, shown = refused.value, ""
        while told is not None:
            shown += repr(told)
            told = told.__cause__ or told.__context__
        assert headers
        assert not [secret for secret in ("the-key", SECRET, "demo-secret", headers[0]) if secret in shown]


async def test_a_truncated_token_is_not_shown():
    async with scripted(attempts=1) as (kraken, rest):
        kraken.answers("GetWebSocketsToken", page(200, '{"error":[],"result":{"token":"hush-hush'))
        with pytest.raises(ExchangeError) as refused:
            await rest.websocket_token()
        assert "hush" not in str(refused.value)


def test_credentials_are_never_shown_and_a_mistyped_secret_is_noticed():
    assert "the-key" not in repr(Credentials("the-key", SECRET))
    assert SECRET not in repr(Credentials("the-key", SECRET))
    with pytest.raises(ConfigError, match="base64"):
        Credentials("the-key", "not base64!")


async def test_without_a_key_only_public_calls_are_made():
    async with scripted(keys=None) as (kraken, rest):
        assert "BTC/USD" in await rest.instruments()
        with pytest.raises(ConfigError, match="KRAKEN_API_KEY"):
            await rest.balances()
        assert kraken.count("Balance") == 0


@pytest.mark.parametrize(
    "url", ["http://api.kraken.com", "ftp://api.kraken.com", "api.kraken.com", "https://"]
)
def test_keys_travel_encrypted_or_not_at_all(url: str):
    with pytest.raises(ConfigError):
        client(url, Time(), None, lambda: 1)


async def test_a_batch_tells_of_each_order_what_became_of_it():
    async with scripted() as (kraken, rest):
        kraken.answers(
            "AddOrderBatch",
            result_of({"orders": [{"txid": "O1", "descr": {}}, {"error": "EOrder:Insufficient funds"}]}),
        )
        first, second = await rest.add_batch([limit(), limit(client_order_id="b")])
        assert first == "O1"
        assert not isinstance(second, str)
        assert second.code == "INSUFFICIENT_FUNDS"
        kraken.answers("AddOrderBatch", result_of({"orders": [{"txid": "O1"}]}))
        with pytest.raises(OutcomeUnknownError, match="1 of 2"):
            await rest.add_batch([limit(), limit(client_order_id="b")])


async def test_a_pair_listed_since_is_learnt_when_it_appears():
    from tests.adapters.kraken.scripted_rest import PAIRS

    listed = PAIRS | {"NEWUSD": PAIRS["XXBTZUSD"] | {"altname": "NEWUSD", "wsname": "NEW/USD"}}
    shape = {
        "status": "open", "opentm": 1.5, "vol": "1", "vol_exec": "0", "cost": "0", "fee": "0", "price": "0",
        "descr": {"pair": "NEWUSD", "type": "buy", "ordertype": "limit", "price": "7"}, "cl_ord_id": CLIENT_ID,
    }  # fmt: skip
    async with scripted() as (kraken, rest):
        await rest.instruments()
        kraken.answers("AssetPairs", result_of(listed))
        kraken.answers("OpenOrders", result_of({"open": {"O1": shape}}))
        found = await rest.find(CLIENT_ID)
        assert found is not None
        assert (found.trading_pair, found.limit_price) == ("NEW/USD", 7)
        shape["descr"]["pair"] = "GONEUSD"
        with pytest.raises(ExchangeError, match="GONEUSD"):
            await rest.open_orders()


def closed(number: int) -> dict:
    return {
        f"O{number}": {
            "status": "closed", "opentm": 1.5, "closetm": 2.5, "vol": "1", "vol_exec": "1", "cost": "1", "fee": "0",
            "price": "1", "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "market"},
            "cl_ord_id": f"order-{number}",
        }
    }  # fmt: skip


async def test_an_order_is_found_even_where_the_exchange_does_not_heed_its_client_id():
    orders = [closed(number) for number in range(120)]

    def pages(request: web.Request) -> web.Response:
        offset = int(kraken.asked[-1][1]["ofs"])
        shown = {name: shape for order in orders[offset : offset + 50] for name, shape in order.items()}
        return web.json_response({"error": [], "result": {"closed": shown, "count": len(orders)}})

    async with scripted() as (kraken, rest):
        kraken.answers("OpenOrders", result_of({"open": {}}))
        kraken.answers("ClosedOrders", pages)
        found = await rest.find("order-117")
        assert found is not None
        assert found.exchange_order_id == "O117"
        assert await rest.find("order-999") is None
        orders.extend(closed(number) for number in range(1000, 2000))
        with pytest.raises(ExchangeError, match="cannot be told"):
            await rest.find("order-999")


async def test_fills_are_asked_for_one_by_one_as_the_websocket_tells_them():
    async with scripted() as (kraken, rest):
        kraken.answers("TradesHistory", result_of({"trades": {}, "count": 0}))
        assert await rest.fills(5) == []
        assert kraken.asked[0][1]["consolidate_taker"] == "false"


async def test_of_several_errors_the_one_that_leaves_the_outcome_open_counts():
    async with scripted() as (kraken, rest):
        kraken.answers("AddOrder", error_of("EOrder:Insufficient funds", "EService:Unavailable"))
        with pytest.raises(OutcomeUnknownError):
            await rest.add_order(limit())
