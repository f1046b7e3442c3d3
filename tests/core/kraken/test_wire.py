import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from gal_friday_core.errors import ContractError
from gal_friday_core.instruments import Instrument
from gal_friday_core.kraken import wire
from gal_friday_core.kraken.instruments import instrument, instruments
from gal_friday_core.kraken.wire import decode
from gal_friday_core.times import from_iso
from tests.core.kraken_books import mutated, text

TRADE = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":105910.50,'
    b'"qty":0.00012460,"ord_type":"market","trade_id":10218209,"timestamp":"2023-10-06T17:35:56.123456Z"}]}'
)
OHLC = (
    b'{"channel":"ohlc","type":"update","timestamp":"2023-10-04T16:26:30.524394914Z","data":[{"symbol":"MATIC/USD",'
    b'"open":0.5624,"high":0.5628,"low":0.5622,"close":0.5627,"trades":12,"volume":30927.68066226,"vwap":0.5626,'
    b'"interval_begin":"2023-10-04T16:25:00.000000000Z","interval":5,"timestamp":"2023-10-04T16:30:00.000000Z"}]}'
)
TICKER = (
    b'{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":105944.20,"bid_qty":2.5,"ask":105944.30,'
    b'"ask_qty":3.2,"last":105899.40,"volume":163.28908096,"vwap":105904.39279,"low":104711.00,"high":106613.10,'
    b'"change":-250.00,"change_pct":-0.24,"timestamp":"2022-12-25T09:30:59.123456Z"}]}'
)
PAIR = (
    b'{"symbol":"SHIB/USD","base":"SHIB","quote":"USD","status":"online","qty_precision":5,"qty_increment":0.00001,'
    b'"price_precision":8,"cost_precision":5,"marginable":false,"has_index":true,"cost_min":0.50,"tick_size":1E-8,'
    b'"price_increment":1E-8,"qty_min":500000.00000}'
)
INSTRUMENT = (
    b'{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"USD","status":"enabled","precision":4,'
    b'"precision_display":2,"borrowable":true,"collateral_value":1.00,"margin_rate":0.025000}],"pairs":['
    + PAIR
    + b"]}}"
)
STATUS = (
    b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2",'
    b'"connection_id":12834993841234567890,"version":"2.0.0"}]}'
)
ACK = (
    b'{"method":"subscribe","result":{"channel":"book","symbol":"BTC/USD","depth":10,"snapshot":true},"success":true,'
    b'"req_id":7,"time_in":"2023-10-06T17:35:55.219022Z","time_out":"2023-10-06T17:35:55.219067Z"}'
)
REFUSAL = (
    b'{"method":"subscribe","success":false,"error":"Currency pair not supported XXX/USD","symbol":"XXX/USD"}'
)
PONG = b'{"method":"pong","req_id":42,"time_in":"2023-09-25T09:05:00.123456Z","time_out":"2023-09-25T09:05:00.123500Z"}'
BOOK = text("update", [(294302, 1)], [(294309, 0)], 77)
HEARTBEAT = b'{"channel":"heartbeat"}'
EVERY = [TRADE, OHLC, TICKER, INSTRUMENT, STATUS, ACK, REFUSAL, PONG, BOOK, HEARTBEAT]


def numbers(value: Any) -> Iterator[Decimal]:
    """Every Decimal inside a decoded message."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from numbers(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from numbers(item)


def test_a_trade_keeps_the_digits_of_the_wire() -> None:
    message = decode(TRADE)
    assert isinstance(message, wire.TradeMessage)
    (trade,) = message.data
    assert (str(trade.price), str(trade.qty), trade.side) == ("105910.50", "0.00012460", "sell")
    assert (trade.trade_id, trade.timestamp) == (10218209, from_iso("2023-10-06T17:35:56.123456Z"))


def test_a_bar_is_read_with_its_own_begin_in_nanoseconds() -> None:
    message = decode(OHLC)
    assert isinstance(message, wire.OhlcMessage)
    (bar,) = message.data
    assert (bar.interval, bar.trades, bar.interval_begin) == (5, 12, from_iso("2023-10-04T16:25:00Z"))


def test_a_refusal_names_its_error_and_a_confirmation_its_depth() -> None:
    refused, confirmed = decode(REFUSAL), decode(ACK)
    assert isinstance(refused, wire.Acknowledgement)
    assert isinstance(confirmed, wire.Acknowledgement)
    assert (refused.success, refused.symbol, refused.error) == (
        False,
        "XXX/USD",
        "Currency pair not supported XXX/USD",
    )
    assert confirmed.result is not None
    assert (confirmed.success, confirmed.result.channel, confirmed.result.depth) == (True, "book", 10)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (TICKER, wire.TickerMessage),
        (STATUS, wire.StatusMessage),
        (HEARTBEAT, wire.HeartbeatMessage),
        (PONG, wire.Pong),
        (BOOK, wire.BookMessage),
        (INSTRUMENT, wire.InstrumentMessage),
        (b'{"error":"Exceeded msg rate"}', wire.ErrorMessage),
        (b'{"channel":"level3","data":[]}', wire.OtherMessage),
        (b'{"method":"add_order","success":true}', wire.OtherMessage),
    ],
)
def test_each_message_has_its_type(raw: bytes, expected: type) -> None:
    assert type(decode(raw)) is expected


def test_an_instrument_is_what_its_pair_says() -> None:
    message = decode(INSTRUMENT)
    assert isinstance(message, wire.InstrumentMessage)
    assert instrument(message.data.pairs[0]) == Instrument(
        "SHIB/USD",
        price_tick=Decimal("1e-8"),
        lot=Decimal("0.00001"),
        min_quantity=Decimal("500000.00000"),
        min_cost=Decimal("0.50"),
        price_decimals=8,
        qty_decimals=5,
    )


def test_decimals_that_cannot_write_the_step_are_refused() -> None:
    message = decode(INSTRUMENT.replace(b'"price_precision":8', b'"price_precision":7'))
    assert isinstance(message, wire.InstrumentMessage)
    with pytest.raises(ContractError, match="price_decimals 7"):
        instrument(message.data.pairs[0])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"channel":"trade","x":' + b"[" * 100_000,
        TRADE[:-1],
        TRADE + b"x",
        TRADE.replace(b"105910.50", b"NaN"),
        TRADE.replace(b"105910.50", b'"NaN"'),
        TRADE.replace(b"105910.50", b'"Infinity"'),
        TRADE.replace(b"105910.50", b"-105910.50"),
        TRADE.replace(b"105910.50", b"0"),
        TRADE.replace(b"105910.50", b"1e18"),
        TRADE.replace(b"105910.50", b"1e-19"),
        TRADE.replace(b"105910.50", b"1e999999"),
        TRADE.replace(b"105910.50", b"null"),
        TRADE.replace(b'"price":105910.50,', b""),
        TRADE.replace(b"10218209", b"-1"),
        TRADE.replace(b"10218209", b"99999999999999999999"),
        TRADE.replace(b'"sell"', b'"hold"'),
        TRADE.replace(b"BTC/USD", b"BTC"),
        TRADE.replace(b"BTC/USD", b"BTC/USD/EUR"),
        TRADE.replace(b"2023-10-06T", b"2023-13-06T"),
        TRADE.replace(b'"2023-10-06T17:35:56.123456Z"', b"1696613756"),
        TRADE.replace(b'"update"', b'"rumour"'),
        OHLC.replace(b'"high":0.5628', b'"high":0.5623'),
        OHLC.replace(b'"interval":5', b'"interval":0'),
        OHLC.replace(b'"volume":30927.68066226', b'"volume":-1'),
        TICKER.replace(b"-250.00", b'"NaN"'),
        BOOK.replace(b'"checksum":77', b'"checksum":4294967296'),
        BOOK.replace(b"}]}", b"},{}]}"),
        INSTRUMENT.replace(b'"price_increment":1E-8', b'"price_increment":0'),
        INSTRUMENT.replace(b'"price_precision":8', b'"price_precision":99'),
    ],
)
def test_what_is_no_message_is_a_contract_error_that_shows_its_beginning(raw: bytes) -> None:
    with pytest.raises(ContractError, match="it begins b"):
        decode(raw)


@settings(max_examples=600, deadline=None)
@given(mutated(EVERY))
def test_damaged_messages_raise_our_error_or_say_finite_numbers(raw: bytes) -> None:
    try:
        message = decode(raw)
    except ContractError:
        return
    for number in numbers(message):
        assert number.is_finite()
        assert abs(number) < 10**18


@pytest.mark.data
def test_every_pair_of_the_real_snapshot_becomes_an_instrument(shared_data: Path) -> None:
    raw = (shared_data / "kraken_ws/v2/instrument_snapshot_verbatim.json").read_bytes()
    message = decode(raw)
    assert isinstance(message, wire.InstrumentMessage)
    known = instruments(message.data.pairs)
    assert len(known) == 683
    assert len(message.data.assets) == 296
    assert sorted({item.status for item in known.values()}) == ["cancel_only", "online", "reduce_only"]
    assert known["BTC/USD"].price_tick == Decimal("0.1")
    assert (known["BTC/USD"].price_decimals, known["BTC/USD"].qty_decimals) == (1, 8)


@pytest.mark.data
def test_every_shared_public_message_decodes(shared_data: Path) -> None:
    folder = shared_data / "kraken_ws/v2"
    decoded = {
        path.stem: type(decode(path.read_bytes())).__name__ for path in sorted(folder.glob("ws_*.json"))
    }
    examples = [json.loads(line) for line in (folder / "doc_examples.jsonl").read_text().splitlines()]
    incoming = [
        type(decode(json.dumps(item["msg"]).encode())).__name__ for item in examples if item["dir"] == "in"
    ]
    assert decoded["ws_trade_update"] == "TradeMessage"
    assert decoded["ws_ohlc_update"] == "OhlcMessage"
    assert decoded["ws_ticker_snapshot"] == "TickerMessage"
    assert decoded["ws_book_snapshot"] == decoded["ws_book_update"] == "BookMessage"
    assert decoded["ws_l3_snapshot"] == "OtherMessage"
    assert incoming.count("Acknowledgement") == 2
    assert incoming.count("OhlcMessage") == incoming.count("HeartbeatMessage") == 1
