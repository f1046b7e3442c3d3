"""An event loop inside another: nothing happens on it but what is let in."""

import asyncio
import errno
import time
from pathlib import Path

import pytest

from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.errors import DataError, ExchangeError, StorageError
from gal_friday_live.flight.flight import own_folder
from gal_friday_live.flight.island import Island
from gal_friday_live.flight.player import Player
from gal_friday_live.flight.record import Attached, FlightRecord, Head
from gal_friday_live.flight.recorder import Recorder
from gal_friday_live.flight.values import NEVER, PLAIN


class Alone:
    """A shore with nobody on it."""

    async def in_thread(self, func, args):
        return func(*args)

    def from_thread(self, callback):
        raise AssertionError(callback)


def test_time_stands_still_in_a_step_and_timers_wait_for_theirs():
    island, seen = Island(Alone()), []

    async def sleeper():
        await asyncio.sleep(1)
        seen.append(island.time())

    island.step(5.0, lambda: island.create_task(sleeper()))
    assert island.next_due() == 6.0
    island.step(5.5, lambda: seen.append("let in"))
    island.step(6.0, lambda: None)
    assert seen == ["let in", 6.0]
    assert island.next_due() is None
    island.bury()


async def test_it_runs_inside_a_running_loop_and_leaves_that_one_as_it_was():
    outer, island, inner = asyncio.get_running_loop(), Island(Alone()), []

    async def look():
        inner.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        inner.append(await asyncio.to_thread(time.monotonic) > 0)

    outer.call_soon(island.step, 1.0, lambda: island.create_task(look()))
    await asyncio.sleep(0.01)
    assert inner == [island, True]
    assert asyncio.get_running_loop() is outer
    assert asyncio.current_task() is not None
    island.bury()


def test_what_still_runs_is_ended():
    island, ended = Island(Alone()), []

    async def for_ever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    island.step(0.0, lambda: island.create_task(for_ever()))
    island.bury()
    assert ended == [True]
    assert island.is_closed()


class Program:
    """Reads, asks, tells, and is cancelled while it waits."""

    def __init__(self, outside, factor=2, waits=None):
        self.outside = outside
        self.factor = factor
        self.waits = waits
        self.noted = []

    async def perform(self, name, *args):
        return await getattr(self, name)(*args)

    def do(self, name, *args):
        self.outside.tell(name, list(args))
        return args

    async def count(self, number):
        read = self.outside.reading("dice", lambda: 4)
        answer = await self.outside.ask("double", number, lambda: _doubled(number), PLAIN)
        self.outside.tell("sum", (read + answer) * self.factor)
        return read + answer

    async def fail(self):
        try:
            await self.outside.ask("fail", None, _failing, PLAIN)
        except ExchangeError as error:
            self.outside.tell("caught", [str(error), error.code])
        try:
            self.outside.reading("broken", _broken)
        except StorageError as error:
            self.outside.tell("broken", str(error))

    async def wait(self):
        try:
            await self.outside.ask("wait", None, self.waits or asyncio.sleep, NEVER)
        except asyncio.CancelledError:
            self.outside.tell("cancelled", True)
            raise

    async def much(self):
        return await self.outside.ask("much", None, _much, PLAIN)

    async def close(self):
        """Nothing is open."""


async def _doubled(number):
    await asyncio.sleep(0.001)
    return 2 * number


async def _failing():
    raise ExchangeError("no such pair", "UNKNOWN_PAIR")


async def _much():
    return "x" * (2 << 20)


def _broken():
    raise StorageError("the disk is full")


async def recorded(folder):
    writer = SessionWriter(folder)
    writer.start()
    recorder = Recorder(writer, Head(code_version="test", request={}, config={}))
    program = recorder.program = Program(recorder, waits=asyncio.Event().wait)
    assert await recorder.call("count", 3) == 10
    await recorder.call("fail")
    assert recorder.now("look", 1, "two") == (1, "two")
    waiting = asyncio.ensure_future(recorder.call("wait"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await recorder.close()
    await asyncio.to_thread(writer.close)
    return program


def played(folder, **changes):
    player = Player(FlightRecord(folder))
    player.program = Program(player, **changes)
    return player.play()


async def test_a_replay_needs_nobody_and_says_the_same(tmp_path):
    await recorded(tmp_path / "flight")
    found = played(tmp_path / "flight")
    assert found.alike, found.difference
    assert dict(found.compared) == {
        "double": 1, "sum": 1, "fail": 1, "caught": 1, "broken": 1, "look": 1, "wait": 1, "cancelled": 1,
    }  # fmt: skip


async def test_the_first_difference_is_named(tmp_path):
    await recorded(tmp_path / "flight")
    found = played(tmp_path / "flight", factor=3)
    assert not found.alike
    assert (found.difference.what, found.difference.then, found.difference.now) == ("sum", "20", "30")
    assert "then 20; now 30" in str(found.difference)


async def test_what_is_said_no_more_and_what_is_said_besides_are_differences(tmp_path):
    await recorded(tmp_path / "flight")
    player = Player(FlightRecord(tmp_path / "flight"))

    class Silent(Program):
        async def fail(self):
            """Nothing."""

    player.program = Silent(player)
    found = player.play()
    assert (found.difference.what, found.difference.now) == ("fail", "")


def test_long_values_stand_beside_the_record_and_are_checked(tmp_path):
    attached = Attached(tmp_path)
    text = b'"' + b"x" * (1 << 20) + b'"'
    kept = attached.keep(text)
    assert len(kept) < 100
    assert attached.read(kept) == text[1:-1].decode()
    (file,) = (tmp_path / "attached").iterdir()
    file.write_bytes(text.replace(b"xx", b"xy", 1))
    with pytest.raises(Exception, match="altered"):
        attached.read(kept)


async def test_what_the_disk_does_not_take_is_a_hole_in_the_record_and_no_harm_to_the_engine(tmp_path):
    folder = tmp_path / "flight"
    writer = SessionWriter(folder)
    writer.start()
    (folder / "attached").write_text("a file in the place of the folder")
    recorder = Recorder(writer, Head(code_version="test", request={}, config={}))
    recorder.program = Program(recorder)
    async with asyncio.timeout(10):
        assert len(await recorder.call("much")) == 2 << 20
        assert await recorder.call("count", 3) == 10
    await recorder.close()
    await asyncio.to_thread(writer.close)
    assert writer.dropped == 1
    with pytest.raises(DataError, match="1 records were lost here"):
        played(folder)


async def test_a_secret_is_hidden_however_the_exchange_wrote_its_slashes(tmp_path):
    folder = tmp_path / "flight"
    writer = SessionWriter(folder, compress=False)
    writer.start()
    recorder = Recorder(writer, Head(code_version="test", request={}, config={}))
    program = recorder.program = Program(recorder)

    async def token(_):
        recorder.hide("ab/cd+EF/12")
        return {"result": r'{"token":"ab\/cd+EF\/12"}'}

    async def asks():
        return await recorder.ask("REST", None, lambda: token(None), PLAIN)

    program.count = asks
    assert "token" in (await recorder.call("count"))["result"]
    await recorder.close()
    await asyncio.to_thread(writer.close)
    (part,) = folder.glob("part-*")
    assert "cd+EF" not in part.read_text()
    assert "hidden-1" in part.read_text()


def test_a_value_that_was_written_in_part_is_not_taken_for_the_whole(tmp_path, monkeypatch):
    attached, text = Attached(tmp_path), b'"' + b"x" * (1 << 20) + b'"'

    def full(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="No space left"):
            attached.keep(text)
    assert attached.read(attached.keep(text)) == text[1:-1].decode()


def test_a_run_never_continues_the_record_of_another(tmp_path):
    first = own_folder(tmp_path, 0)
    first.mkdir()
    assert (first.name, own_folder(tmp_path, 0).name) == ("19700101T000000Z", "19700101T000000Z-2")
