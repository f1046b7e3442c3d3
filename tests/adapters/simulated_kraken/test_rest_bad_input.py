import json
from collections.abc import Callable
from decimal import Decimal

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.simulated_kraken.endpoints import PrivateCall
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.private_rest import PrivateRest
from gal_friday_adapters.simulated_kraken.public_rest import PublicRest
from gal_friday_adapters.simulated_kraken.rest_trading import ORDER_METHODS
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.text import encode
from gal_friday_core.errors import ExchangeError
from gal_friday_core.kraken.signing import sign
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange

SERVED = exchange()
PRIVATE = PrivateRest(SERVED)
PUBLIC = PublicRest(SERVED.directory, SERVED.markets, SERVED.system_status)
READS = [
    *("Balance", "BalanceEx", "TradeBalance", "OpenOrders", "ClosedOrders", "QueryOrders", "OrderAmends"),
    *("TradesHistory", "QueryTrades", "OpenPositions", "Ledgers", "QueryLedgers", "TradeVolume"),
]
ORDER = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.001", "price": "29000"}
NAMES = [
    *ORDER,
    *(
        "price2",
        "oflags",
        "timeinforce",
        "expiretm",
        "starttm",
        "deadline",
        "leverage",
        "userref",
        "cl_ord_id",
    ),
    *("close[ordertype]", "close[price]", "close", "validate", "displayvol", "trigger", "stptype", "orders"),
    *(
        "txid",
        "order_qty",
        "limit_price",
        "timeout",
        "start",
        "end",
        "ofs",
        "asset",
        "id",
        "trades",
        "order_id",
    ),
    *("since", "count", "interval"),
]
WORDS = [
    *(
        "",
        "0",
        "-1",
        "1e400",
        "NaN",
        "Infinity",
        "+5%",
        "#3",
        "1e-30",
        "99999999999999999999",
        "XBTUSD",
        "buy",
    ),
    *(
        "stop-loss",
        "post",
        "viqc",
        "true",
        "maybe",
        "GTD",
        "IOC",
        "2099-01-01T00:00:00Z",
        "OAAAAA-AAAAA-AAAAAA",
    ),
]
values = st.sampled_from(WORDS) | st.text(max_size=6) | st.integers() | st.booleans() | st.none()
nested = values | st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
changes = st.dictionaries(
    st.sampled_from(NAMES), nested | st.lists(st.just(ORDER) | nested, max_size=3), max_size=4
)


def refused_in_words(ask: Callable[[], object]) -> bool:
    """Whether there is an answer that JSON can carry, or a refusal in the exchange's own form."""
    try:
        json.loads(encode(ask()))
    except ExchangeError as refusal:
        return str(refusal).startswith("E")
    return True


@settings(deadline=None, max_examples=400)
@given(method=st.sampled_from(sorted(ORDER_METHODS) + READS), changed=changes)
def test_private_call_is_answered_or_refused_in_words(method: str, changed):
    call = PrivateCall(KEY, Fields(ORDER | changed), SERVED.now_ns())
    assert refused_in_words(lambda: PRIVATE.answer(method, call))


@settings(deadline=None, max_examples=200)
@given(
    method=st.sampled_from(
        ["Assets", "AssetPairs", "Ticker", "OHLC", "Depth", "Trades", "Spread", "Nothing"]
    ),
    changed=changes,
)
def test_public_call_is_answered_or_refused_in_words(method: str, changed):
    fields = Fields({"pair": "XBTUSD"} | changed)
    assert refused_in_words(lambda: PUBLIC.answer(method, fields, SERVED.now_ns()))


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"volume": "0.00001"}, "EOrder:Order minimum not met"),
        ({"volume": "90"}, "EOrder:Insufficient funds"),
        ({"price": "29000.05"}, "EOrder:Tick size check failed"),
        ({"pair": "NOPAIR"}, "EQuery:Unknown asset pair"),
        ({"ordertype": "magic"}, "EGeneral:Invalid arguments:ordertype"),
        ({"price": "0"}, "EOrder:Invalid price"),
        ({"leverage": "5"}, "EOrder:Trading agreement required"),
    ],
)
def test_refusals_are_krakens_own_words(params, error: str):
    with pytest.raises(ExchangeError) as refusal:
        PRIVATE.answer("AddOrder", PrivateCall(KEY, Fields(ORDER | params), SERVED.now_ns()))
    assert str(refusal.value) == error


def test_numbers_of_any_size_show_all_their_digits():
    assert encode({"a": Decimal("1E-8"), "b": [Decimal("1E+3")]}) == b'{"a":0.00000001,"b":[1000]}'


def post(kraken: SimulatedKraken, body: bytes, content_type: str) -> dict[str, object]:
    headers = {
        "API-Key": KEY,
        "API-Sign": sign("/0/private/Balance", "7", body, SECRET),
        "Content-Type": content_type,
    }
    return requests.post(f"{kraken.url}/0/private/Balance", data=body, headers=headers, timeout=10).json()


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"nonce", b"\xff\xfe=1", b'{"nonce":' + b"[" * 5000])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_body_that_cannot_be_read_is_refused(kraken: SimulatedKraken, body: bytes, content_type: str):
    assert post(kraken, body, content_type)["error"]


def test_json_body_is_as_good_as_a_form(kraken: SimulatedKraken):
    assert post(kraken, b'{"nonce":"7"}', "application/json; charset=utf-8")["result"]
    assert post(kraken, b"nonce=7", "application/x-www-form-urlencoded")["error"] == ["EAPI:Invalid nonce"]


def test_unsigned_call_and_unknown_method_are_refused(kraken: SimulatedKraken):
    unsigned = requests.post(f"{kraken.url}/0/private/Balance", data={"nonce": 1}, timeout=10)
    assert (unsigned.status_code, unsigned.json()) == (200, {"error": ["EAPI:Invalid key"]})
    unknown = requests.get(f"{kraken.url}/0/public/Fortune", timeout=10)
    assert unknown.json() == {"error": ["EGeneral:Unknown method"]}
