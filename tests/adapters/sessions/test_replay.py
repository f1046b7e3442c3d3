import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gal_friday_adapters.sessions.kraken_session import PATIENCE, kraken_session
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.rebuild import events_of
from gal_friday_adapters.sessions.records import CLOSE, CONNECT, GAP, SERVER, Record
from gal_friday_adapters.sessions.replay import SessionTransport
from gal_friday_adapters.sessions.session_time import SessionTime, StillClock
from gal_friday_adapters.sessions.survey import survey
from gal_friday_core.book import OrderBook
from gal_friday_core.errors import DataError
from gal_friday_core.kraken.v1 import to_v2
from gal_friday_core.market_events import BOOK, INVALID, LEVELS, TRADE
from gal_friday_core.market_events import GAP as LOST
from gal_friday_core.times import DAY_NS, SECOND_NS
from tests.adapters.kraken.heard import Heard
from tests.adapters.sessions.captures import (
    HEARTBEAT,
    book_messages,
    book_session,
    compact,
    save,
    time_of,
    trade_session,
)


def replayed(records: list[Record], sink, **options):
    """The feed after a replay of these records into `sink`."""
    found = survey(_Records(records))
    feed = kraken_session(records, found, StillClock(), **options)
    asyncio.run(feed.run(sink))
    return feed


class _Records(list):
    damage = ()


@pytest.mark.data
def test_a_real_capture_verifies_whole_through_the_live_client(shared_data: Path) -> None:
    sink = Heard()
    feed = replayed(book_session(shared_data), sink)
    counts = feed.feed.counts
    assert (counts.snapshots, counts.book_updates) == (1, 50)
    assert (counts.checksum_failures, counts.malformed, counts.unasked) == (0, 0, 0)
    assert (sink.book_messages, sink.invalid) == (51, [("BTC/USD", "DISCONNECTED")])
    assert feed.transport.unheard == 0


@pytest.mark.data
def test_events_say_the_book_as_it_stood_after_each_message(shared_data: Path, tmp_path: Path) -> None:
    events = events_of(Session(save(book_session(shared_data), tmp_path / "a.jsonl")))["BTC/USD"]
    book = OrderBook("BTC/USD", 10, 1, 8)
    messages = book_messages(shared_data)
    assert events.kind.tolist() == [BOOK] * len(messages) + [INVALID]
    for row, raw in enumerate(messages):
        book.apply_raw(raw)
        for name in ("bid_prices", "bid_quantities", "ask_prices", "ask_quantities"):
            stood = getattr(book, name)[:LEVELS].tolist()
            assert getattr(events, name)[row].tolist() == stood + [0] * (LEVELS - len(stood))
    assert events.exchange_ts[1:-1].tolist() == [time_of(raw) for raw in messages[1:]]
    assert (events.ts[1:-1] - events.exchange_ts[1:-1]).tolist() == [SECOND_NS // 50] * 50


@pytest.mark.data
def test_two_replays_tell_the_same_at_any_speed(shared_data: Path) -> None:
    class Told(Heard):
        def on_book(self, pair, book, received_ns, raw):
            super().on_book(pair, book, received_ns, raw)
            self.trades.append((received_ns, raw, book.levels(3)))

    records = book_session(shared_data)
    fast, fast_again, paced = Told(), Told(), Told()
    replayed(records, fast)
    replayed(records, fast_again)
    replayed(records, paced, speed=500.0)
    assert fast.trades == fast_again.trades == paced.trades
    assert fast.states == paced.states


@pytest.mark.data
def test_a_paced_replay_pauses_as_long_as_the_session_did_over_its_speed(shared_data: Path) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    records = book_session(shared_data)
    feed = kraken_session(records, survey(_Records(records)), StillClock(), speed=4.0)
    feed._pause = pause
    asyncio.run(feed.run(Heard()))
    span_s = (records[-1].ts_ns - records[0].ts_ns) / SECOND_NS
    assert max(paused) == pytest.approx(
        span_s / 4, rel=0.5
    )  # each is measured from the start: nothing waited


@pytest.mark.data
def test_a_session_is_heard_in_its_own_time(shared_data: Path) -> None:
    records = book_session(shared_data)
    feed = replayed(records, Heard())
    assert feed.time.now_ns() == records[-1].ts_ns
    assert feed.records == len(records)


@pytest.mark.data
def test_a_recorded_break_takes_the_book_back_until_its_next_snapshot(
    shared_data: Path, tmp_path: Path
) -> None:
    first = book_session(shared_data)
    later = 10 * SECOND_NS + first[-1].ts_ns - first[0].ts_ns
    second = [Record(r.kind, r.ts_ns + later, restamped(r.message, later), r.url) for r in first]
    events = events_of(Session(save([*first, *second], tmp_path / "a.jsonl")))["BTC/USD"]
    assert events.kind.tolist() == ([BOOK] * 51 + [INVALID]) * 2
    assert events.ts[51] == first[-1].ts_ns
    assert events.ts[52] == second[5].ts_ns


@pytest.mark.data
def test_a_killed_recording_that_was_continued_later_is_two_lines(shared_data: Path, tmp_path: Path) -> None:
    first = book_session(shared_data)[:-1]  # no `close`: the recorder was killed
    second = [Record(r.kind, r.ts_ns + DAY_NS, restamped(r.message, DAY_NS), r.url) for r in first]
    events = events_of(Session(save([*first, *second], tmp_path / "a.jsonl")))["BTC/USD"]
    assert events.kind.tolist() == [BOOK] * 51 + [INVALID] + [BOOK] * 51 + [INVALID]
    assert events.ts[51] - first[-1].ts_ns < 60 * SECOND_NS or events.ts[51] <= second[0].ts_ns


def restamped(message: bytes, later_ns: int) -> bytes:
    """The same message, said later: a book stamped a day ago would be stale."""
    from gal_friday_core.times import from_iso, to_iso

    if b'"checksum"' not in message or b'"timestamp"' not in message:
        return message
    told = json.loads(message)["data"][0]["timestamp"]
    return message.replace(told.encode(), to_iso(from_iso(told) + later_ns).encode())


@pytest.mark.data
def test_one_flipped_digit_is_found_and_the_book_is_off_from_there(shared_data: Path, tmp_path: Path) -> None:
    records = book_session(shared_data)
    at = 20
    raw = records[at].message
    place = raw.index(b'"qty":') + 8
    while not raw[place : place + 1].isdigit():
        place += 1
    flipped = raw[:place] + str((int(raw[place : place + 1]) + 1) % 10).encode() + raw[place + 1 :]
    records[at] = Record(SERVER, records[at].ts_ns, flipped)
    events = events_of(Session(save(records, tmp_path / "a.jsonl")))["BTC/USD"]
    assert events.kind.tolist() == [BOOK] * (at - 5) + [INVALID]
    assert events.ts[-1] == records[at].ts_ns


@pytest.mark.data
def test_records_that_the_writer_lost_are_seen_as_lost_trades(shared_data: Path, tmp_path: Path) -> None:
    records = trade_session(shared_data, leave_out=range(100, 103))
    events = events_of(Session(save(records[:400], tmp_path / "a.jsonl")))["BTC/USDT"]
    lost = events.kind.tolist().index(LOST)
    assert events.kind.tolist().count(LOST) == 1
    assert events.trade_id[lost + 1] - events.trade_id[lost - 1] == 10
    rows = events.kind == TRADE
    assert set(events.side[rows].tolist()) == {1, -1}
    assert (events.quantity[rows] > 0).all()


@pytest.mark.data
def test_a_capture_with_blanks_between_its_tokens_is_read_as_kraken_writes(
    shared_data: Path, tmp_path: Path
) -> None:
    lines = [json.dumps(json.loads(r.message)) for r in book_session(shared_data) if r.kind == SERVER]
    digits = [line.replace('"price": 29430.3', '"price": 29430.30') for line in lines]
    (tmp_path / "bare.jsonl").write_text("\n".join(digits))
    events = events_of(Session(tmp_path / "bare.jsonl"))["BTC/USD"]
    assert events.kind.tolist()[:-1] == [BOOK] * 51


@pytest.mark.data
def test_a_capture_that_names_no_instrument_is_refused_with_the_reason(
    shared_data: Path, tmp_path: Path
) -> None:
    records = [record for record in book_session(shared_data) if b'"instrument"' not in record.message]
    session = Session(save(records, tmp_path / "a.jsonl"))
    assert survey(session).unlisted == ["BTC/USD"]
    with pytest.raises(DataError, match="instrument"):
        events_of(session)


@pytest.mark.data
def test_a_survey_says_what_a_session_holds(shared_data: Path, tmp_path: Path) -> None:
    records = book_session(shared_data)
    records.insert(30, Record(GAP, records[30].ts_ns, dropped=7))
    found = survey(Session(save(records, tmp_path / "a.jsonl")))
    assert (found.records, found.messages, found.connections, found.dropped) == (len(records), 55, 1, 7)
    assert (found.depth, found.usable, found.unlisted) == (10, ["BTC/USD"], [])
    assert (found.first_ns, found.last_ns) == (records[0].ts_ns, records[-1].ts_ns)


class Listening:
    def __init__(self):
        self.heard, self.closed = [], []

    def on_message(self, raw):
        self.heard.append(raw)

    def on_closed(self, reason):
        self.closed.append(reason)


async def test_a_client_gets_a_line_only_when_the_record_has_one() -> None:
    transport, listener = SessionTransport(SessionTime(StillClock())), Listening()
    connecting = asyncio.ensure_future(transport.connect("wss://any", listener))
    await asyncio.sleep(0)
    assert not connecting.done()
    await transport.take(Record(CONNECT, 1))
    connection = await connecting
    await transport.take(Record(SERVER, 2, HEARTBEAT))
    await transport.take(Record(CLOSE, 3, reason="1006"))
    await transport.take(Record(SERVER, 4, HEARTBEAT))
    connection.close()
    assert (listener.heard, listener.closed) == ([HEARTBEAT], ["1006"])


async def test_a_client_that_comes_late_is_told_the_instruments_first() -> None:
    transport, listener = SessionTransport(SessionTime(StillClock())), Listening()
    listing = b'{"channel":"instrument","type":"snapshot","data":{}}'
    await transport.take(Record(SERVER, 1, listing))
    await transport.connect("wss://any", listener)
    await transport.take(Record(SERVER, 2, HEARTBEAT))
    await asyncio.sleep(0)
    assert transport.unheard == 1
    assert sorted(listener.heard) == sorted([listing, HEARTBEAT])


async def test_pings_are_answered_and_other_requests_are_left_to_the_record() -> None:
    transport, listener = SessionTransport(SessionTime(StillClock())), Listening()
    await transport.take(Record(SERVER, 1, HEARTBEAT))
    connection = await transport.connect("wss://any", listener)
    connection.send(compact({"method": "subscribe", "params": {}, "req_id": 1}))
    connection.send(b"no request at all")
    connection.send(compact({"method": "ping", "req_id": 9}))
    await asyncio.sleep(0)
    assert [json.loads(raw) for raw in listener.heard] == [{"method": "pong", "req_id": 9}]


async def test_sleepers_wake_in_order_when_time_passes_them_and_not_before() -> None:
    clock = StillClock(SECOND_NS)
    time, woken = SessionTime(clock), []

    async def sleeper(name: str, seconds: float) -> None:
        await time.sleep(seconds)
        woken.append((name, clock.now_ns()))

    tasks = [asyncio.ensure_future(sleeper(name, s)) for name, s in (("b", 2.0), ("a", 1.0), ("c", 0.0))]
    await time.settle()
    assert woken == [("c", SECOND_NS)]
    assert time.next_due_ns() == 2 * SECOND_NS
    await time.wake_next()
    await time.wake_next()
    assert woken[1:] == [("a", 2 * SECOND_NS), ("b", 3 * SECOND_NS)]
    assert time.next_due_ns() is None
    await asyncio.gather(*tasks)


def carried_over(shared_data: Path) -> list[Record]:
    """The v1 capture of ten pairs at depth 1000 in v2 form, with an instrument message of its decimals."""
    records: list[Record] = []
    decimals: dict[str, list[int]] = {}
    for record in Session(shared_data / "kraken_ws/v1/cryptofeed_2021-04-17_book1000.jsonl"):
        if record.kind != SERVER:
            records.append(record)
            continue
        for raw in to_v2(record.message):
            records.append(Record(SERVER, record.ts_ns, raw))
            note_decimals(raw, decimals)
    pairs = [
        {
            "symbol": pair, "base": pair.split("/")[0], "quote": pair.split("/")[1], "status": "online",
            "price_precision": price, "qty_precision": quantity, "price_increment": 10.0**-price,
            "qty_increment": 10.0**-quantity, "qty_min": 1, "cost_precision": 8, "cost_min": 1,
            "marginable": False, "has_index": False,
        }
        for pair, (price, quantity) in decimals.items()
    ]  # fmt: skip
    listing = compact({"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}})
    return [records[0], Record(SERVER, records[0].ts_ns, listing), *records[1:]]


def note_decimals(raw: bytes, decimals: dict[str, list[int]]) -> None:
    if not raw.startswith(b'{"channel":"book"'):
        return
    book = json.loads(raw, parse_float=str, parse_int=str)["data"][0]
    known = decimals.setdefault(book["symbol"], [0, 0])
    for level in (*book["bids"], *book["asks"]):
        for place, name in enumerate(("price", "qty")):
            known[place] = max(known[place], len(level[name].partition(".")[2]))


@pytest.mark.data
def test_ten_pairs_at_depth_1000_replay_without_one_wrong_checksum(shared_data: Path) -> None:
    records = carried_over(shared_data)
    found = survey(_Records(records))
    assert (found.depth, len(found.usable), found.unlisted) == (1000, 10, [])
    sink = Heard()
    feed = replayed(records, sink, patience=replace(PATIENCE, lag_s=1e9))
    counts = feed.feed.counts
    assert (counts.checksum_failures, counts.malformed, counts.unasked) == (0, 0, 0)
    assert (counts.book_updates, counts.snapshots) == (4_269, 10)
    assert sink.book_messages == 4_279
