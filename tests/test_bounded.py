import asyncio
import io
import os
import threading

import pytest

from tests.bounded import finished, joined, line_of


def test_a_line_is_read_and_an_end_is_an_empty_one():
    stream = io.StringIO("ready\n")
    assert [line_of(stream), line_of(stream)] == ["ready\n", ""]


def test_a_process_that_says_nothing_fails_its_test():
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        with pytest.raises(AssertionError, match="said nothing for 0"):
            line_of(stream, 0)
        os.close(writing)


def test_a_thread_that_goes_on_fails_its_test():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="the writer")
    thread.start()
    with pytest.raises(AssertionError, match="the writer goes on"):
        joined(thread, within_s=0)
    stop.set()
    joined(thread)


def test_a_coroutine_that_waits_for_ever_ends_and_tells_where_each_task_stood(capsys):
    async def answer():
        await asyncio.Event().wait()

    async def test():
        await answer()

    with pytest.raises(TimeoutError):
        asyncio.run(finished(test(), 0))
    said = capsys.readouterr().err
    assert f"{__file__}:" in said
    assert "answer" in said
