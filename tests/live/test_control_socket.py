"""The operator's door: who is let in, what is answered, and that one engine keeps one door."""

import asyncio
import contextlib
import socket
import stat

import pytest

from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live import control_socket
from gal_friday_live.control_socket import (
    LINE_LIMIT,
    MOST_CALLERS,
    PATH_LIMIT,
    ControlSocket,
    ask,
    control_path,
)


async def echo(request):
    if request["command"] == "fail":
        raise ConfigError("not now,\nand here is why")
    return request


async def raw(path, line):
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_command_with_its_details_is_answered(tmp_path):
    async with ControlSocket(tmp_path / "c.sock", echo) as door:
        assert await ask(door.path, "orders", all=True) == {"command": "orders", "all": True}


async def test_a_refusal_reaches_the_caller_as_one_line(tmp_path):
    async with ControlSocket(tmp_path / "c.sock", echo) as door:
        with pytest.raises(ConfigError, match=r"^not now, and here is why$"):
            await ask(door.path, "fail")


async def test_only_the_owner_may_reach_the_socket(tmp_path):
    async with ControlSocket(tmp_path / "deep" / "c.sock", echo) as door:
        assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(door.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(("user", "let_in"), [(0, True), (12_345, False)])
async def test_root_is_let_in_and_another_user_is_told_why_not(tmp_path, monkeypatch, user, let_in):
    monkeypatch.setattr(control_socket.os, "geteuid", lambda: 54_321)
    monkeypatch.setattr(control_socket, "peer_user", lambda _: user)
    monkeypatch.setattr(control_socket, "_private_directory", lambda _: None)
    async with ControlSocket(tmp_path / "c.sock", echo) as door:
        if let_in:
            assert await ask(door.path, "status") == {"command": "status"}
        else:
            answered = await raw(door.path, b'{"command": "status"}\n')
            assert b"user 12345 may not control the engine of user 54321" in answered
        assert door.refused == (not let_in)


def test_the_kernel_says_who_is_at_the_other_end():
    here, there = socket.socketpair(socket.AF_UNIX)
    with contextlib.closing(here), contextlib.closing(there):
        assert control_socket.peer_user(here) == control_socket.os.geteuid()


async def test_a_second_engine_on_the_data_directory_is_refused(tmp_path):
    async with ControlSocket(tmp_path / "c.sock", echo) as door:
        with pytest.raises(ConfigError, match="an engine is already running on this data directory"):
            await ControlSocket(door.path, echo).open()
        assert await ask(door.path, "status") == {"command": "status"}


async def test_what_a_killed_engine_left_is_no_hindrance(tmp_path):
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with ControlSocket(path, echo):
        assert await ask(path, "status") == {"command": "status"}
    assert not path.exists()


async def test_without_an_engine_the_caller_is_told_how_to_start_one(tmp_path):
    with pytest.raises(StorageError, match=r"no engine is running .*gal-friday live starts one"):
        await ask(tmp_path / "c.sock", "status")


async def test_an_engine_that_does_not_answer_is_not_waited_for_for_ever(tmp_path):
    async def never(_):
        await asyncio.Event().wait()

    async with ControlSocket(tmp_path / "c.sock", never) as door:
        with pytest.raises(StorageError, match=r"did not answer within 0\.05 s"):
            await ask(door.path, "status", timeout_s=0.05)


async def deaf(path):
    """A caller that asks for much and takes nothing, as a screen does whose process is stopped."""
    caller = socket.socket(socket.AF_UNIX)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    caller.setblocking(False)
    await asyncio.get_running_loop().sock_connect(caller, str(path))
    caller.send(b'{"command": "orders"}\n' * 100)
    return caller


async def callers_number(door, expected):
    for _ in range(1_000):
        if door.callers == expected:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{door.callers} callers are still here")


async def test_callers_that_take_no_answer_hold_up_nobody_and_lose_their_places(tmp_path):
    async def plenty(request):
        return "x" * 1_000_000 if request["command"] == "orders" else request

    async with ControlSocket(tmp_path / "c.sock", plenty, takes_within_s=0.2) as door:
        callers = [await deaf(door.path) for _ in range(MOST_CALLERS - 1)]
        assert await ask(door.path, "halt") == {"command": "halt"}
        last = await deaf(door.path)
        with contextlib.closing(last):
            await callers_number(door, 0)
            assert await ask(door.path, "halt") == {"command": "halt"}
        for caller in callers:
            caller.close()


async def test_a_door_closes_whenever_a_question_comes_in(tmp_path):
    """The end of a caller must not be lost where its line arrives in the same turn of the loop."""
    for turns in range(12):
        async with asyncio.timeout(10), ControlSocket(tmp_path / f"{turns}.sock", echo) as door:
            reader, writer = await asyncio.open_unix_connection(str(door.path))
            while not door.callers:  # noqa: ASYNC110 - turns of the loop are what this counts
                await asyncio.sleep(0)
            writer.write(b'{"command": "orders"}\n')
            for _ in range(turns):
                await asyncio.sleep(0)
            await door.close()
            assert not door.callers
            writer.close()
            await reader.read()


async def test_a_door_closes_though_a_caller_takes_no_answer(tmp_path):
    async def plenty(_):
        return "x" * 1_000_000

    async with ControlSocket(tmp_path / "c.sock", plenty) as door:
        caller = await deaf(door.path)
        await callers_number(door, 1)
    assert not door.callers
    caller.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"\xff\n", b"not a request"),
        (b"[1]\n", b"not a request"),
        (b"x" * (LINE_LIMIT + 2) + b"\n", b"at most 65536 bytes"),
    ],
)
async def test_what_is_no_request_is_answered_and_does_no_harm(tmp_path, line, told):
    async with ControlSocket(tmp_path / "c.sock", echo) as door:
        answering = asyncio.ensure_future(raw(door.path, line))
        if len(line) < LINE_LIMIT:  # the door stays open for the next line
            await asyncio.sleep(0)
            await ask(door.path, "status")
            await asyncio.wait({answering}, timeout=0.2)
            await door.close()
        assert told in await answering


def test_a_long_data_directory_gets_a_short_private_socket(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep = tmp_path / ("d" * PATH_LIMIT)
    path = control_path(deep)
    assert len(bytes(path)) <= PATH_LIMIT or len(bytes(tmp_path)) > 60
    assert path.parent != deep
    assert control_path(deep) == path != control_path(deep / "other")
    assert control_path(tmp_path) == tmp_path / "control.sock"
