from typing import Any

import pytest

from gal_friday_core.kraken.verification import MOST_FAULTS, Verification, infer_decimals
from gal_friday_core.kraken.wire import BookMessage, decode
from tests.core.kraken.test_wire import INSTRUMENT, TRADE
from tests.core.kraken_books import Levels, PlainBook, text

BIDS: Levels = [(100 - place, 20 + place) for place in range(10)]
ASKS: Levels = [(101 + place, 30 + place) for place in range(10)]
BTC = b'"symbol":"BTC/USD","base":"BTC","quote":"USD"'
LISTED = (
    INSTRUMENT.replace(b'"symbol":"SHIB/USD","base":"SHIB","quote":"USD"', BTC)
    .replace(b'"price_precision":8', b'"price_precision":1')
    .replace(b'"price_increment":1E-8', b'"price_increment":0.1')
    .replace(b'"qty_precision":5', b'"qty_precision":8')
    .replace(b'"tick_size":1E-8', b'"tick_size":0.1')
)


def stream(updates: int = 6) -> list[bytes]:
    """Instruments, a snapshot and updates near the best prices, every checksum right."""
    plain = PlainBook(10)
    raws = [LISTED, text("snapshot", BIDS, ASKS, plain.apply(BIDS, ASKS, snapshot=True))]
    for number in range(updates):
        bids = [(100 - number % 3, 50 + number)]
        raws.append(text("update", bids, [], plain.apply(bids, [], snapshot=False)))
    return raws


def verified(raws: list[bytes]) -> dict[str, Any]:
    found = Verification()
    for raw in raws:
        found.take(raw)
    return found.report()


def test_a_sound_stream_is_clean() -> None:
    report = verified(stream())
    assert report["clean"]
    counted = (
        "messages",
        "book_updates",
        "book_snapshots",
        "checksum_failures",
        "resyncs",
        "gaps",
        "unverified",
    )
    assert [report[name] for name in counted] == [8, 6, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("damaged", range(2, 8))
def test_a_flipped_digit_is_found_at_its_message_and_a_later_snapshot_heals(damaged: int) -> None:
    raws = stream()
    raws[damaged] = raws[damaged].replace(b'"qty":0.0000005', b'"qty":0.0000007')
    raws += stream()[1:]
    report = verified(raws)
    assert report["checksum_failures"] == 1
    assert report["resyncs"] == 1
    assert report["unverified"] == 7 - damaged
    assert report["pairs"][0]["verified"]
    assert report["faults"] == [
        {"message": damaged + 1, "pair": "BTC/USD", "what": "the book's checksum does not match"}
    ]


def test_a_flipped_digit_in_the_snapshot_is_found() -> None:
    raws = stream()
    raws[1] = raws[1].replace(b'"qty":0.00000020', b'"qty":0.00000021')
    report = verified(raws)
    assert (report["checksum_failures"], report["book_snapshots"], report["unverified"]) == (1, 0, 6)


def test_without_instruments_the_decimals_are_those_that_verify() -> None:
    raws = [raw.replace(b"10.0,", b"10,").replace(b"0.00000020", b"2e-7") for raw in stream()[1:]]
    report = verified(raws)
    assert report["clean"]
    pair = report["pairs"][0]
    assert (pair["price_decimals"], pair["qty_decimals"], pair["decimals_inferred"]) == (1, 8, True)


def test_decimals_are_inferred_even_when_no_number_shows_them() -> None:
    levels = [(300, 2 * 10**8), (200, 10**8)]
    raw = text("snapshot", levels, [], PlainBook(10).apply(levels, [], snapshot=True))
    message = decode(raw.replace(b"30.0", b"30").replace(b"20.0,", b"20,").replace(b".00000000", b""))
    assert isinstance(message, BookMessage)
    assert infer_decimals(message) == (1, 8)


def test_missing_trades_are_a_gap() -> None:
    later = TRADE.replace(b"10218209", b"10218212")
    report = verified([TRADE, TRADE.replace(b"10218209", b"10218210"), later])
    assert (report["trades"], report["gaps"], report["clean"]) == (3, 1, False)
    assert report["faults"][0]["what"] == "trades 10218211 to 10218211 are missing"


def test_an_update_without_a_snapshot_is_a_fault_told_once() -> None:
    report = verified([LISTED, *stream()[2:]])
    assert (report["unverified"], report["clean"], len(report["faults"])) == (6, False, 1)


def test_a_message_that_nobody_can_read_makes_its_book_wait_for_a_snapshot() -> None:
    raws = stream()
    raws[3] = raws[3][:-4]
    report = verified(raws)
    assert (report["malformed"], report["unverified"], report["checksum_failures"]) == (1, 4, 0)


def test_a_message_finer_than_the_pair_is_malformed() -> None:
    raws = stream()
    raws[3] = raws[3].replace(b'"qty":0.0000005', b'"qty":0.00000005')
    assert verified(raws)["malformed"] == 1


def test_a_reconnect_is_no_fault_but_empties_the_books_of_its_line_only() -> None:
    found = Verification()
    for raw in stream():
        found.take(raw, 1)
    found.reconnected(2)
    assert found.report()["pairs"][0]["verified"]
    found.reconnected(1)
    assert not found.report()["pairs"][0]["verified"]
    assert found.report()["clean"]


def test_records_that_the_recorder_lost_are_a_gap_and_empty_every_book() -> None:
    found = Verification()
    for raw in stream():
        found.take(raw)
    found.lost("7 records")
    report = found.report()
    assert (report["gaps"], report["clean"], report["pairs"][0]["verified"]) == (1, False, False)


def test_faults_are_told_up_to_a_limit_and_counted_beyond_it() -> None:
    report = verified([b"<html>"] * (MOST_FAULTS + 5))
    assert (report["malformed"], len(report["faults"])) == (MOST_FAULTS + 5, MOST_FAULTS)
