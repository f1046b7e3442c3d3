import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gal_friday_adapters.sessions import writer as writer_module
from gal_friday_adapters.sessions.part import Part, Rotation
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import CLIENT, CONNECT, GAP, SERVER
from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.errors import StorageError
from gal_friday_core.times import HOUR_NS, MINUTE_NS
from tests.bounded import line_of

START = 1_700_000_000_000_000_123
ROOT = Path(__file__).parents[3]


def message(number: int) -> bytes:
    return b'{"channel":"trade","data":[{"qty":0.10000000,"trade_id":%d}]}' % number


def filled(folder: Path, count: int, **options: object) -> SessionWriter:
    writer = SessionWriter(folder, **options)
    writer.start()
    writer.record(CONNECT, START, url="wss://example/v2")
    for number in range(count):
        writer.record(SERVER, START + number, message(number))
    return writer


@pytest.mark.parametrize("compress", [True, False])
def test_a_session_reads_back_byte_for_byte(tmp_path: Path, compress: bool) -> None:
    writer = filled(tmp_path, 1_000, compress=compress)
    writer.record(CLIENT, START + 5_000, b'{"method":"ping"}', url="wss://example/v2", connection=2)
    writer.close()
    session = Session(tmp_path)
    records = list(session)
    assert (records[0].kind, records[0].url, records[0].ts_ns) == (CONNECT, "wss://example/v2", START)
    assert [record.message for record in records[1:-1]] == [message(number) for number in range(1_000)]
    assert [record.ts_ns for record in records[1:-1]] == [START + number for number in range(1_000)]
    assert (records[-1].kind, records[-1].connection) == (CLIENT, 2)
    assert (session.damage, session.dropped) == ([], 0)
    assert (writer.counts.written, writer.counts.dropped, writer.counts.parts) == (1_002, 0, 1)
    assert writer.counts.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_parts_rotate_by_size_and_keep_the_order(tmp_path: Path) -> None:
    writer = filled(tmp_path, 2_000, compress=False, rotation=Rotation(max_bytes=20_000))
    writer.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert len(sizes) > 5
    assert max(sizes) < 20_000 + 64 * 150
    assert [record.message for record in Session(tmp_path)][1:] == [
        message(number) for number in range(2_000)
    ]


def test_parts_rotate_by_the_time_between_their_records(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path, rotation=Rotation(max_age_ns=HOUR_NS))
    writer.start()
    for minute in range(0, 180, 10):
        writer.record(SERVER, START + minute * MINUTE_NS, message(minute))
        writer.flush()
    writer.close()
    assert [len(list(Session(path))) for path in sorted(tmp_path.iterdir())] == [6, 6, 6]


def test_a_folder_with_parts_is_continued_and_never_overwritten(tmp_path: Path) -> None:
    filled(tmp_path, 10).close()
    first = (tmp_path / "part-000001.jsonl.gz").read_bytes()
    filled(tmp_path, 20).close()
    assert (tmp_path / "part-000001.jsonl.gz").read_bytes() == first
    assert len(list(Session(tmp_path))) == 11 + 21


def test_what_the_disk_cannot_take_in_time_is_dropped_counted_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = Part.write

    def slow(part: Part, records: list) -> None:
        gate.wait(60)
        write(part, records)

    monkeypatch.setattr(Part, "write", slow)
    writer = filled(tmp_path, 1_000, queue_bytes=20_000)
    refused = writer.counts.dropped
    assert refused > 800
    gate.set()
    writer.flush()
    writer.record(SERVER, START + 5_000, message(5_000))
    writer.close()
    session = Session(tmp_path)
    records = list(session)
    assert session.dropped == refused
    assert [record.kind for record in records[-2:]] == [GAP, SERVER]
    assert records[-2].dropped == refused
    assert len(records) == 1 + (1_000 - refused) + 2


def test_a_full_disk_costs_records_but_neither_the_feed_nor_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = threading.Event()
    append = Part._append

    def refusing(part: Part, packed: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(part, packed)

    monkeypatch.setattr(Part, "_append", refusing)
    writer = filled(tmp_path, 100, retry_s=0)
    writer.flush()
    assert (writer.counts.written, writer.counts.failure) == (101, None)
    full.set()
    for number in range(100, 300):
        writer.record(SERVER, START + number, message(number))
    writer.flush()
    assert (writer.counts.dropped, writer.counts.failure) == (200, os.strerror(errno.ENOSPC))
    full.clear()
    for number in range(300, 400):
        writer.record(SERVER, START + number, message(number))
    writer.close()
    assert writer.counts.failure is None
    session = Session(tmp_path)
    records = list(session)
    kept = [record.message for record in records if record.kind == SERVER]
    assert kept == [message(number) for number in (*range(100), *range(300, 400))]
    assert session.dropped == 200
    assert [damage.file for damage in session.damage] == ["part-000001.jsonl.gz"]
    assert len([line for line in caplog.messages if "dropping" in line]) == 1
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot record into"):
        SessionWriter(tmp_path / "file" / "session").start()


@pytest.mark.parametrize("compress", [True, False])
def test_after_kill_9_the_session_reads_up_to_the_last_flush(tmp_path: Path, compress: bool) -> None:
    program = f"""
import sys
from pathlib import Path
from gal_friday_adapters.sessions.writer import SessionWriter
writer = SessionWriter(Path(sys.argv[1]), compress={compress})
writer.start()
number = 0
while True:
    for _ in range(500):
        writer.record("server", {START} + number, b'{{"n":%d,"qty":0.10}}' % number)
        number += 1
    writer.flush()
    print(number, flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    flushed = [int(line_of(child.stdout)) for _ in range(5)][-1]
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    child.stdout.close()
    session = Session(tmp_path)
    numbers = [int(record.message[5:].split(b",")[0]) for record in session]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= flushed
    assert [damage.file[:11] for damage in session.damage] == ["part-000001"] * len(session.damage)
    assert len(session.damage) == 1 if compress else len(session.damage) <= 1


def test_recording_hands_over_without_waiting_for_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lock is shared with the writing thread: it may stand still while the feed records."""
    standing = threading.Event()
    monkeypatch.setattr(Part, "write", lambda *_: standing.wait(60))
    writer = filled(tmp_path, 10)
    while not writer._taken:
        time.sleep(0.001)
    for number in range(10_000):
        writer.record(SERVER, START, message(number))
    assert writer.counts.queued == 10_000
    standing.set()
    monkeypatch.undo()
    writer.close()
    assert writer_module.QUEUE_BYTES > 10_000 * 200
