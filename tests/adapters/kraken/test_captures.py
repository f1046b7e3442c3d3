import gzip
import json
from pathlib import Path

import pytest

from gal_friday_adapters.kraken.captures import messages, verify
from gal_friday_core.errors import DataError, GalFridayError
from gal_friday_core.kraken.wire import BookMessage, decode
from tests.core.kraken.test_verification import stream

CAPTURES = {
    "v2/book10_BTCUSD_capture_first50.json": (51, 50, 1),
    "v1/sdk_book10_XBTUSD_capture.json": (1150, 979, 1),
    "v1/cryptofeed_2021-04-17_book1000.jsonl": (4321, 4269, 10),
}


@pytest.mark.data
@pytest.mark.parametrize("name", CAPTURES)
def test_every_given_capture_verifies(shared_data: Path, name: str) -> None:
    report = verify(shared_data / "kraken_ws" / name).report()
    assert (report["messages"], report["book_updates"], report["book_snapshots"]) == CAPTURES[name]
    assert (report["checksum_failures"], report["unverified"], report["malformed"], report["gaps"]) == (
        0,
        0,
        0,
        0,
    )
    assert report["clean"]
    assert all(pair["verified"] for pair in report["pairs"])


def _listing(pair: str, price_decimals: int, qty_decimals: int) -> dict[str, object]:
    base, _, quote = pair.partition("/")
    return {
        "symbol": pair, "base": base, "quote": quote, "status": "online", "cost_precision": 5, "cost_min": 0.5,
        "price_precision": price_decimals, "price_increment": 10.0**-price_decimals,
        "qty_precision": qty_decimals, "qty_increment": 10.0**-qty_decimals, "qty_min": 0.0001,
    }  # fmt: skip


@pytest.mark.data
def test_a_capture_carried_over_by_floats_verifies_by_the_decimals_of_its_instruments(
    shared_data: Path, tmp_path: Path
) -> None:
    """Ten pairs from 5 to 9 price decimals; floats drop trailing zeros and turn small numbers into exponents."""
    source = shared_data / "kraken_ws/v1/cryptofeed_2021-04-17_book1000.jsonl"
    told = verify(source).report()["pairs"]
    pairs = [_listing(pair["pair"], pair["price_decimals"], pair["qty_decimals"]) for pair in told]
    lines = [{"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}}]
    lines += [json.loads(raw) for raw in messages(source)]
    capture = tmp_path / "carried.jsonl"
    capture.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "e-0" in capture.read_text()
    report = verify(capture).report()
    assert (report["book_updates"], report["checksum_failures"], report["clean"]) == (4269, 0, True)
    assert not any(pair["decimals_inferred"] for pair in report["pairs"])
    assert sorted({pair["price_decimals"] for pair in report["pairs"]}) == [5, 6, 8, 9]


@pytest.mark.parametrize("form", ["bare", "records", "texts", "gzip", "folder"])
def test_every_form_of_a_capture_gives_the_same_report(tmp_path: Path, form: str) -> None:
    lines = stream()
    if form == "records":
        lines = [
            b'{"kind":"connect","ts":1.5}',
            *(b'{"kind":"server","ts":1.5,"msg":' + raw + b"}" for raw in lines),
        ]
        lines.insert(1, b'{"kind":"client","ts":1.5,"msg":{"method":"subscribe"}}')
    elif form == "texts":
        lines = [
            b'{"kind":"server","ts":1.5,"msg":' + json.dumps(raw.decode()).encode() + b"}" for raw in lines
        ]
    text = b"".join(line + b"\n" for line in lines)
    capture = tmp_path / ("capture.jsonl.gz" if form == "gzip" else "capture.jsonl")
    capture.write_bytes(gzip.compress(text) if form == "gzip" else text)
    report = verify(tmp_path if form == "folder" else capture).report()
    assert (report["messages"], report["book_updates"], report["clean"]) == (8, 6, True)


def test_a_torn_line_is_malformed_and_its_books_wait(tmp_path: Path) -> None:
    lines = stream()
    lines[4] = lines[4][:50]
    capture = tmp_path / "torn.jsonl"
    capture.write_bytes(b"\n".join([*lines, *stream()[1:]]) + b"\n")
    report = verify(capture).report()
    assert (report["malformed"], report["unverified"], report["resyncs"], report["clean"]) == (1, 3, 1, False)
    assert report["pairs"][0]["verified"]


def test_a_reconnect_in_a_session_begins_the_books_anew(tmp_path: Path) -> None:
    told = [b'{"kind":"server","ts":1,"msg":' + raw + b"}" for raw in stream()]
    capture = tmp_path / "session.jsonl"
    capture.write_bytes(b"\n".join([*told, b'{"kind":"connect","ts":2}', told[2]]) + b"\n")
    report = verify(capture).report()
    assert (report["unverified"], report["checksum_failures"]) == (1, 0)
    assert report["faults"][0]["what"] == "an update to a book that has no snapshot"


def test_records_that_a_recorder_dropped_are_a_gap(tmp_path: Path) -> None:
    capture = tmp_path / "session.jsonl"
    told = [b'{"kind":"server","ts":1,"msg":' + raw + b"}" for raw in stream()]
    capture.write_bytes(b"\n".join([*told, b'{"kind":"gap","ts":2,"dropped":7}', *told[1:]]) + b"\n")
    report = verify(capture).report()
    assert (report["gaps"], report["unverified"], report["resyncs"], report["clean"]) == (1, 0, 1, False)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"<html>\n<body>502</body>\n</html>\n", b"\x00\x01\x02", b"\x1f\x8b\x00"]
)
def test_a_file_without_a_message_is_refused(tmp_path: Path, content: bytes) -> None:
    capture = tmp_path / "nothing.jsonl"
    capture.write_bytes(content)
    with pytest.raises(DataError, match="holds no message"):
        verify(capture)


def test_a_file_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(GalFridayError):
        verify(tmp_path / "absent.jsonl")


def test_messages_are_handed_out_in_v2_form(tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    capture.write_bytes(
        b'[336,{"a":[["27120.0","4.2","1693415327.9"]],"c":"5"},"book-10","XBT/USD"]\n{"event":"heartbeat"}\n'
    )
    first, second = messages(capture)
    assert isinstance(decode(first), BookMessage)
    assert second == b'{"channel":"heartbeat"}'
