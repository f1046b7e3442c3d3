import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import private_wire, wire
from gal_friday_core.kraken.private_wire import BalancesMessage, ExecutionsMessage, Response, Result, decode
from gal_friday_core.times import from_iso
from tests.core.kraken_books import mutated

TRADE = (
    b'{"channel":"executions","type":"update","data":[{"order_id":"OK4GJX-KSTLS-7DZZO5","order_userref":3,'
    b'"exec_id":"TGBB7L-HT5LX-J3BZ4A","exec_type":"trade","trade_id":62887576,"symbol":"BTC/USD","side":"sell",'
    b'"last_qty":0.00500000,"last_price":26599.9,"liquidity_ind":"t","cost":132.9995,"order_type":"limit",'
    b'"timestamp":"2023-09-22T10:33:05.709993Z","order_status":"partially_filled","cum_qty":0.005,'
    b'"cum_cost":132.9995,"avg_price":26599.9,"fee_usd_equiv":0.3458,"fees":[{"asset":"USD","qty":0.3458}]}],'
    b'"sequence":10}'
)
SPARSE = (
    b'{"channel":"executions","type":"update","data":[{"timestamp":"2023-09-22T10:33:05.709982Z","order_status":"new",'
    b'"exec_type":"new","order_userref":3,"order_id":"OK4GJX-KSTLS-7DZZO5"}],"sequence":9}'
)
CHILD = (
    b'{"channel":"executions","type":"update","data":[{"order_id":"O2","ord_ref_id":"O1","exec_type":"pending_new",'
    b'"order_status":"pending_new","symbol":"BTC/USD","side":"sell","order_type":"stop-loss","order_qty":0.1,'
    b'"triggers":{"reference":"last","price":20000.0,"price_type":"static","actual_price":20000.0,'
    b'"status":"untriggered"},"contingent":{"order_type":"stop-loss"},"timestamp":"2023-09-22T10:33:05.7Z"}],'
    b'"sequence":11}'
)
BALANCE = (
    b'{"channel":"balances","type":"update","data":[{"asset":"BTC","asset_class":"currency","amount":-0.005,'
    b'"balance":0.995,"fee":0.0,"ledger_id":"L1","ref_id":"TGBB7L-HT5LX-J3BZ4A","timestamp":"2023-09-22T10:33:05Z",'
    b'"type":"trade","subtype":"","category":"trade","wallet_type":"spot","wallet_id":"main"}],"sequence":2}'
)
SNAPSHOT = (
    b'{"channel":"balances","type":"snapshot","data":[{"asset":"USD","asset_class":"currency","balance":100000.0000,'
    b'"wallets":[{"type":"spot","id":"main","balance":100000.0000}]}],"sequence":1}'
)
ADDED = (
    b'{"method":"add_order","req_id":1,"result":{"order_id":"OXM2QD-EALR2-YBAVEU"},"success":true,'
    b'"time_in":"2025-05-13T10:12:13.876173Z","time_out":"2025-05-13T10:12:13.890137Z"}'
)
REFUSED = b'{"method":"add_order","req_id":99,"success":false,"error":"EOrder:Insufficient funds"}'
BATCH = (
    b'{"method":"batch_add","req_id":45,"success":true,"result":{"orders":[{"order_id":"O1","cl_ord_id":"O-A",'
    b'"success":true},{"cl_ord_id":"O-B","success":false,"error":"EOrder:Invalid price"}]}}'
)
BARE_BATCH = (
    b'{"method":"batch_add","req_id":45,"success":true,"result":[{"order_id":"O1"},{"error":"EOrder:x"}]}'
)
SWITCH = (
    b'{"method":"cancel_all_orders_after","req_id":2,"success":true,"result":{"currentTime":"2023-09-22T10:33:05Z",'
    b'"triggerTime":"2023-09-22T10:34:05Z"}}'
)
EVERY = [TRADE, SPARSE, CHILD, BALANCE, SNAPSHOT, ADDED, REFUSED, BATCH, BARE_BATCH, SWITCH]


def executions(raw: bytes) -> private_wire.Execution:
    message = decode(raw)
    assert isinstance(message, ExecutionsMessage)
    return message.data[0]


def response(raw: bytes) -> Response:
    message = decode(raw)
    assert isinstance(message, Response)
    return message


def test_a_fill_keeps_the_digits_of_the_wire_and_its_fee():
    fill = executions(TRADE)
    assert (str(fill.last_qty), str(fill.last_price), fill.exec_id) == (
        "0.00500000",
        "26599.9",
        "TGBB7L-HT5LX-J3BZ4A",
    )
    assert [(fee.asset, fee.qty) for fee in fill.fees] == [("USD", Decimal("0.3458"))]
    assert fill.timestamp == from_iso("2023-09-22T10:33:05.709993Z")


def test_what_a_sparse_event_does_not_say_is_none():
    event = executions(SPARSE)
    assert (event.symbol, event.side, event.order_qty, event.cum_qty, event.limit_price) == (None,) * 5
    assert (event.exec_type, event.order_status) == ("new", "new")


def test_a_conditional_close_names_the_order_that_made_it():
    child = executions(CHILD)
    assert child.ord_ref_id == "O1"
    assert child.triggers is not None
    assert child.triggers.price == 20000


def test_a_ledger_entry_may_be_negative_and_a_snapshot_has_only_totals():
    entry, total = decode(BALANCE), decode(SNAPSHOT)
    assert isinstance(entry, BalancesMessage)
    assert isinstance(total, BalancesMessage)
    assert (entry.data[0].amount, entry.data[0].ref_id, entry.sequence) == (
        Decimal("-0.005"),
        "TGBB7L-HT5LX-J3BZ4A",
        2,
    )
    assert (total.data[0].balance, total.data[0].amount) == (Decimal("100000.0000"), None)


def test_answers_to_order_methods_are_told_apart_by_success():
    assert (response(ADDED).order_id, response(ADDED).error) == ("OXM2QD-EALR2-YBAVEU", None)
    assert (response(REFUSED).success, response(REFUSED).error) == (False, "EOrder:Insufficient funds")


@pytest.mark.parametrize("raw", [BATCH, BARE_BATCH])
def test_a_batch_is_answered_order_by_order_in_either_shape(raw: bytes):
    assert [item.accepted for item in response(raw).items] == [True, False]


def test_the_number_of_cancelled_orders_is_read_where_it_stands():
    told = b'{"method":"cancel_all","success":true,"result":{"count":3}}'
    beside = b'{"method":"batch_cancel","success":true,"orders_cancelled":2}'
    assert (response(told).cancelled, response(beside).cancelled, response(ADDED).cancelled) == (3, 2, None)


def test_the_dead_mans_switch_tells_when_it_would_fire():
    result = response(SWITCH).result
    assert isinstance(result, Result)
    assert result.triggerTime == "2023-09-22T10:34:05Z"


def test_what_the_public_wire_says_comes_through_and_the_ack_tells_the_rate_threshold():
    assert isinstance(decode(b'{"channel":"heartbeat"}'), wire.HeartbeatMessage)
    ack = decode(
        b'{"method":"subscribe","result":{"channel":"executions","maxratecount":125,"snap_trades":true},"success":true}'
    )
    assert isinstance(ack, wire.Acknowledgement)
    assert ack.result is not None
    assert ack.result.maxratecount == 125


def test_the_examples_of_the_guide_decode(shared_data: Path):
    lines = (shared_data / "kraken_ws" / "v2" / "doc_examples.jsonl").read_text().splitlines()
    messages = [json.loads(line) for line in lines]
    kinds = [type(decode(json.dumps(item["msg"]).encode())) for item in messages if item["dir"] == "in"]
    assert kinds.count(ExecutionsMessage) == 3
    assert kinds.count(Response) == 3
    assert wire.OtherMessage not in kinds


@pytest.mark.parametrize(
    "raw",
    [
        TRADE.replace(b'"last_qty":0.00500000', b'"last_qty":0'),
        TRADE.replace(b'"last_qty":0.00500000', b'"last_qty":-1'),
        TRADE.replace(b'"last_qty":0.00500000,', b""),
        TRADE.replace(b'"exec_id":"TGBB7L-HT5LX-J3BZ4A",', b""),
        TRADE.replace(b"26599.9", b"1e40"),
        TRADE.replace(b'"fees":[{"asset":"USD","qty":0.3458}]', b'"fees":[{"asset":"USD","qty":"NaN"}]'),
        TRADE.replace(b"2023-09-22T10:33:05.709993Z", b"yesterday"),
        TRADE.replace(b',"sequence":10', b""),
        TRADE.replace(b'"sequence":10', b'"sequence":-1'),
        TRADE.replace(b'"order_id":"OK4GJX-KSTLS-7DZZO5",', b""),
        BALANCE.replace(b"0.995", b"1e30"),
        b'{"method":"add_order"}',
        b'{"method":"add_order","success":true,"result":7}',
        b"",
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_is_refused(raw: bytes):
    with pytest.raises(ContractError, match="not a Kraken message"):
        decode(raw)


@settings(max_examples=400)
@given(st.data())
def test_a_damaged_message_is_refused_or_plausible_and_nothing_else_is_raised(data: st.DataObject):
    raw = data.draw(mutated(EVERY))
    try:
        message = decode(raw)
    except ContractError:
        return
    if isinstance(message, ExecutionsMessage):
        fills = [event for event in message.data if event.exec_type == "trade"]
        assert all(fill.exec_id and fill.last_qty and fill.last_qty > 0 for fill in fills)
        assert all(
            abs(amount) < 10**18 for fill in fills for amount in (fill.last_qty, fill.last_price) if amount
        )


def test_recorded_answers_to_order_methods_decode(shared_data: Path):
    files = sorted((shared_data / "kraken_ws" / "v2").glob("ws_*_response*.json"))
    answers = {file.stem: decode(file.read_bytes()) for file in files if "subscribe" not in file.stem}
    assert len(answers) >= 3
    assert all(isinstance(answer, Response) for answer in answers.values())
    partial = answers["ws_batch_add_response_partial"]
    assert isinstance(partial, Response)
    assert [item.accepted for item in partial.items] == [True, False]
