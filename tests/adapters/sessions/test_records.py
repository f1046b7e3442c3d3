import gzip
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.sessions import reader
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import (
    CLIENT,
    CLOSE,
    CONNECT,
    GAP,
    HTTP,
    SERVER,
    Record,
    decode,
    encode,
)
from gal_friday_core.errors import DataError, StorageError

TIME = 1_618_678_132_385_815_123
TRADE = b'{"channel":"trade","data":[{"price":105944.20,"qty":0.00027625,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'


RECORDS = st.builds(
    Record,
    kind=st.sampled_from([CONNECT, CLIENT, SERVER, HTTP, CLOSE, GAP]),
    ts_ns=st.integers(0, 2**62),
    message=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()),
    url=st.text(max_size=20).filter(str.isprintable),
    connection=st.integers(0, 9),
    reason=st.text(max_size=20),
    dropped=st.integers(0, 10**9),
)


@given(RECORDS)
def test_every_record_reads_back_as_it_was_on_one_line(record: Record) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1
    json.loads(line)
    assert decode(line) == record


@given(
    message=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ).map(lambda value: json.dumps(value, ensure_ascii=False).encode())
)
def test_json_messages_keep_their_text(message: bytes) -> None:
    assert decode(encode(Record(SERVER, TIME, message))).message == message


def test_a_message_stands_in_the_record_as_it_was_sent() -> None:
    assert encode(Record(SERVER, TIME, TRADE)) == (
        b'{"kind":"server","ts":1618678132.385815123,"msg":' + TRADE + b"}\n"
    )


@pytest.mark.parametrize(
    "line",
    [b"", b"nonsense", b'{"kind":3}', b'{"kind":"server","ts":-1,"msg":{}}', b'{"kind":"server","ts":1e400}',
     b'{"kind":"server","ts":"NaN"}', b'{"kind":"s","ts":1,"bytes":"%"}', b'{"kind":"s","ts":1,"msg":"\xff"}',
     b'{"kind":"s","ts":1,"msg":"\\ud800"}', b'{"kind":"s","ts":99999999999,"msg":{}}', b'{"kind":"s","id":1e99}'],
)  # fmt: skip
def test_a_line_that_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(DataError, match="not a record"):
        decode(line)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_line_raises_only_our_error(noise: bytes, at: int) -> None:
    line = encode(Record(SERVER, TIME, TRADE, url="wss://x"))
    mutated = line[: at % len(line)] + noise + line[at % len(line) + len(noise) // 2 :]
    with suppress(DataError):
        decode(mutated)


@given(content=st.binary(max_size=2_000))
def test_no_file_makes_the_reader_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "noise.jsonl"
    path.write_bytes(content)
    list(Session(path))
    path.write_bytes(gzip.compress(TRADE * 20, mtime=0)[: len(content) % 150] + content)
    list(Session(path))


def test_bare_messages_are_heard_at_the_latest_time_the_exchange_named(tmp_path: Path) -> None:
    later = TRADE.replace(b"17:35:55", b"17:36:00")
    bar = b'{"channel":"ohlc","data":[{"timestamp":"2023-10-06T18:00:00Z"}]}'
    lines = [b'{"channel":"heartbeat"}', later, TRADE, bar, b'{"channel":"heartbeat"}']
    (tmp_path / "capture.jsonl").write_bytes(b"\n".join(lines))
    records = list(Session(tmp_path / "capture.jsonl"))
    assert [record.message for record in records] == lines
    assert [record.ts_ns for record in records] == [1_696_613_760_440_295_000] * 5


def test_a_line_cut_short_is_left_out_and_told(tmp_path: Path) -> None:
    lines = encode(Record(SERVER, TIME, TRADE)) * 3
    (tmp_path / "part-000001.jsonl").write_bytes(lines[:-20])
    session = Session(tmp_path)
    assert len(list(session)) == 2
    assert [str(damage) for damage in session.damage] == [
        "part-000001.jsonl:3: the last line is unfinished; it was left out"
    ]


def test_a_damaged_line_costs_itself_only(tmp_path: Path) -> None:
    line = encode(Record(SERVER, TIME, TRADE))
    (tmp_path / "part-000001.jsonl").write_bytes(line + b'{"kind":"server","ts":16186\x00\n' + line)
    session = Session(tmp_path)
    assert len(list(session)) == 2
    assert [damage.line for damage in session.damage] == [2]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_gzip_part_cut_short_reads_as_far_as_it_goes(tmp_path: Path, kept: float) -> None:
    lines = [encode(Record(SERVER, TIME + number, TRADE)) for number in range(2_000)]
    packed = gzip.compress(b"".join(lines), mtime=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: int(len(packed) * kept)])
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines[0]))
    session = Session(tmp_path)
    times = [record.ts_ns - TIME for record in session]
    assert times[-1] == 0  # the next part is read all the same
    assert times[:-1] == list(range(len(times) - 1))
    assert len(times) - 1 >= 2_000 * (kept - 0.15)
    assert [damage.file for damage in session.damage] == ["a.jsonl.gz"]


def test_several_gzip_members_in_one_file_are_all_read(tmp_path: Path) -> None:
    line = encode(Record(SERVER, TIME, TRADE))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line) + gzip.compress(line * 2))
    session = Session(tmp_path)
    assert len(list(session)) == 3
    assert session.damage == []


def test_an_endless_line_is_given_up_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LONGEST_LINE", 1 << 20)
    line = encode(Record(SERVER, TIME, TRADE))
    (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(line + b"[" * (8 << 20)))
    session = Session(tmp_path)
    assert len(list(session)) == 1
    assert "1,048,576 bytes" in session.damage[0].reason


def test_a_session_that_is_not_there_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no session at"):
        Session(tmp_path / "absent")
    with pytest.raises(DataError, match="none of its files ends in"):
        Session(tmp_path)


def test_a_part_that_cannot_be_read_is_an_error_not_an_empty_session(tmp_path: Path) -> None:
    (tmp_path / "part-000001.jsonl").mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        list(Session(tmp_path))


@pytest.mark.data
def test_the_given_captures_in_the_same_format_read_whole(shared_data: Path) -> None:
    folder = shared_data / "kraken_ws" / "v1"
    expected = {"book1000": 4_323, "trade": 51, "ticker": 62}
    for name, count in expected.items():
        session = Session(folder / f"cryptofeed_2021-04-17_{name}.jsonl")
        records = list(session)
        assert (len(records), session.damage) == (count, [])
        assert [record.kind for record in records[:3]] == [CONNECT, CLIENT, SERVER]
        assert records[0].url == "wss://ws.kraken.com"
    assert records[0].ts_ns == 1_618_678_132_377_188_200
    assert len(list(Session(shared_data / "books" / "cryptofeed_COINBASE_ws_28_0.jsonl.gz"))) == 9_950


@pytest.mark.data
def test_real_messages_survive_a_round_trip_unchanged(shared_data: Path) -> None:
    for record in Session(shared_data / "kraken_ws" / "v1" / "cryptofeed_2021-04-17_book1000.jsonl"):
        assert decode(encode(record)) == record
