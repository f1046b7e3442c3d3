import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings

from gal_friday_core.errors import ContractError
from gal_friday_core.kraken.v1 import is_v1, to_v2, v2_symbol
from gal_friday_core.kraken.wire import Acknowledgement, BookMessage, HeartbeatMessage, decode
from tests.core.kraken_books import mutated

UPDATE = (
    b'[336,{"a":[["27120.00000","4.28732553","1693415327.935623"]]},'
    b'{"b":[["27119.90000","0.00000000","1693415328.000001","r"]],"c":"974942666"},"book-10","XBT/USD"]'
)
ACK = (
    b'{"channelID":336,"channelName":"book-10","event":"subscriptionStatus","pair":"XBT/USD","status":"subscribed",'
    b'"subscription":{"depth":10,"name":"book"}}'
)


def test_both_maps_of_an_update_become_one_message_with_all_digits() -> None:
    (raw,) = to_v2(UPDATE)
    assert b'"price":27120.00000,"qty":4.28732553' in raw
    message = decode(raw)
    assert isinstance(message, BookMessage)
    assert (message.type, message.symbol, message.checksum) == ("update", "BTC/USD", 974942666)
    assert (message.asks[0].price, message.bids[0].qty) == (Decimal("27120.00000"), Decimal(0))
    assert message.timestamp == 1693415328_000001000


def test_events_become_what_v2_calls_them() -> None:
    (acknowledged,) = to_v2(ACK)
    message = decode(acknowledged)
    assert isinstance(message, Acknowledgement)
    assert message.result is not None
    assert (message.success, message.result.symbol, message.result.depth) == (True, "BTC/USD", 10)
    (beat,) = to_v2(b'{"event":"heartbeat"}')
    assert isinstance(decode(beat), HeartbeatMessage)
    assert to_v2(b'{"event":"somethingElse"}') == []


def test_names_of_the_old_world_become_readable() -> None:
    assert [v2_symbol(pair) for pair in ("XDG/XBT", "ADA/USD")] == ["DOGE/BTC", "ADA/USD"]


@pytest.mark.parametrize(
    "raw",
    [
        b"[]", b"[1]", b"[1,2,3]", b'[336,{"a":[["x","1","1"]],"c":"1"},"book-10","XBT/USD"]', b'{"event":1',
        b'[336,{"a":[["1","1","1"]]},"book-10","XBT/USD"]', b'[336,{"a":[["1e5","1","1"]],"c":"1"},"book-10","XBT/USD"]',
        b'[336,{"a":[["-1","1","1"]],"c":"1"},"book-10","XBT/USD"]', b'[336,{"a":5,"c":"1"},"book-10","XBT/USD"]',
        b'[336,{"a":[["1","1","1"]],"c":"99999999999"},"book-10","XBT/USD"]', b"[[[[",
    ],
)  # fmt: skip
def test_what_is_no_message_of_v1_is_a_contract_error(raw: bytes) -> None:
    assert is_v1(raw)
    with pytest.raises(ContractError):
        to_v2(raw)


@settings(max_examples=400, deadline=None)
@given(mutated([UPDATE, ACK, b'{"event":"heartbeat"}']))
def test_damaged_messages_raise_our_error_or_become_sound_ones(raw: bytes) -> None:
    try:
        for message in to_v2(raw):
            decode(message)
    except ContractError:
        return


@pytest.mark.data
def test_every_message_of_the_real_capture_is_carried_over(shared_data: Path) -> None:
    lines = (shared_data / "kraken_ws/v1/cryptofeed_2021-04-17_book1000.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    told = [json.dumps(record["msg"]).encode() for record in records if record["kind"] == "server"]
    carried = [decode(message) for raw in told for message in to_v2(raw)]
    assert len(carried) == len(told) == 4321
    assert sum(isinstance(message, BookMessage) for message in carried) == 4279
