import json
from pathlib import Path

import pytest

from gal_friday_core.book import BookResult, OrderBook
from gal_friday_core.kraken.wire import BookMessage, decode


def captured(shared_data: Path) -> list[bytes]:
    """The real capture, snapshot first; re-serialised by its author, so trailing zeros are gone."""
    text = (shared_data / "kraken_ws/v2/book10_BTCUSD_capture_first50.json").read_text()
    document = json.loads(text)
    return [json.dumps(message).encode() for message in [document["init"], *document["updates"]]]


@pytest.mark.data
def test_the_real_capture_verifies_message_by_message_on_both_paths(shared_data: Path) -> None:
    fast, slow = OrderBook("BTC/USD", 10, 1, 8), OrderBook("BTC/USD", 10, 1, 8)
    for number, raw in enumerate(captured(shared_data)):
        message = decode(raw)
        assert isinstance(message, BookMessage)
        found = fast.apply_raw(raw)
        assert found == slow.apply(message) == (BookResult.APPLIED if number else BookResult.SNAPSHOT)
        assert fast.levels() == slow.levels()
        assert fast.timestamp_ns == slow.timestamp_ns == message.timestamp
        assert fast.checksum == message.checksum
    assert number == 50
