"""The engine's door for its operator: a Unix socket, one JSON object a line, for the same user or root only.

`ControlSocket` serves, `ask` calls once, a `Conversation` goes on. A request is `{"command": "status", …}`, the answer
`{"ok": true, "result": …}` or `{"ok": false, "error": "one line"}`. There is no other way in: no TCP.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from gal_friday_core.errors import ConfigError, GalFridayError, StorageError

NAME = "control.sock"
PATH_LIMIT = 107
"""Bytes of a Unix socket's path that every system takes."""
LINE_LIMIT = 1 << 16
MOST_CALLERS = 16
IDLE_S = 30.0
"""A caller that says nothing for so long is let go."""
ANSWERS_WITHIN_S = 5.0
TAKES_WITHIN_S = 5.0
"""A caller that does not take its answer in that time (a screen that was stopped) keeps no place from others."""
OWNER_ONLY = 0o600
_CREDENTIALS = struct.Struct("3i")

Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]

log = logging.getLogger(__name__)


def control_path(data_dir: Path) -> Path:
    """Where the engine of a data directory listens: inside it, or, where that is too long for a socket, in a
    private directory of this user whose name stands for it.
    """
    inside = data_dir / NAME
    if len(os.fsencode(inside)) <= PATH_LIMIT:
        return inside
    short = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return base / f"gal-friday-{os.getuid()}" / f"{short}.sock"


def is_served(path: Path) -> bool:
    """Whether an engine listens there, even one that does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWERS_WITHIN_S)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
        return True


TAKEN_IN = 4
"""Turns of the event loop between a caller that is accepted and the task that talks to it."""


class ControlSocket:
    """Answers one caller's lines in order, several callers at a time. `async with` opens and closes it.

    A caller may be slow in taking its answer for `takes_within_s`. Nothing but that caller waits for it.

    Raises ConfigError from `open` where another engine answers at this path.
    """

    def __init__(self, path: Path, answer: Answer, *, takes_within_s: float = TAKES_WITHIN_S) -> None:
        self.path = path
        self._takes_within_s = takes_within_s
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[Any]] = set()
        self.refused = 0

    async def open(self) -> None:
        _refuse_second(self.path)
        _private_directory(self.path.parent)
        listening = _bound(self.path)
        self._server = await asyncio.start_unix_server(self._talk, sock=listening, limit=LINE_LIMIT)

    async def close(self) -> None:
        if self._server is None:
            return
        loop = asyncio.get_running_loop()
        for listening in self._server.sockets:
            loop.remove_reader(listening.fileno())
        for _ in range(TAKEN_IN):
            await asyncio.sleep(0)
        self._server.close()  # it forgets whom it has accepted and not attached yet, with an open socket
        self.path.unlink(missing_ok=True)
        for caller in tuple(self._callers):
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        self._server = None

    @property
    def callers(self) -> int:
        """So many are here."""
        return len(self._callers)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError) as end:
            log.debug("a caller of the control socket is gone: %s", type(end).__name__)
            writer.transport.abort()  # `close` would keep what it did not take until it does
        finally:
            self._callers.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refusal = self._refusal(writer)
        if refusal:
            self.refused += 1
            await _hear_out(reader)
            await self._tell(writer, _error(refusal))
            return
        while True:
            try:
                # `wait_for` of Python 3.11 can lose the end that `close` asks for.
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                await self._tell(writer, _error(f"a request is one line of at most {LINE_LIMIT} bytes"))
                return
            await self._tell(writer, await self._reply(line))

    async def _tell(self, writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
        """Raises TimeoutError where the caller does not take it."""
        async with asyncio.timeout(self._takes_within_s):
            await _send(writer, message)

    def _refusal(self, writer: asyncio.StreamWriter) -> str:
        if len(self._callers) > MOST_CALLERS:
            return f"{MOST_CALLERS} callers are already here: try again"
        user = peer_user(writer.get_extra_info("socket"))
        if user not in (None, os.geteuid(), 0):
            return f"user {user} may not control the engine of user {os.geteuid()}"
        return ""

    async def _reply(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _error(f"not a request: {error}")
        try:
            return {"ok": True, "result": await self._answer(request)}
        except GalFridayError as error:
            return _error(str(error))


class Conversation:
    """One caller's line to the engine, question after question. `begin` opens it, `close` hangs up.

    A question has no time limit of its own: whoever waits decides how long. After one that was given up the line is
    of no more use, for its answer is still to come.
    """

    def __init__(self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begin(cls, path: Path) -> Self:
        """Raises StorageError where no engine listens, ConfigError where another user's process does."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_LIMIT << 6)
        except OSError:
            raise _nobody(path) from None
        try:
            _refuse_stranger(path, writer.get_extra_info("socket"))
        except ConfigError:
            writer.close()
            raise
        return cls(path, reader, writer)

    async def ask(self, command: str, **details: Any) -> Any:
        """The engine's answer. Raises ConfigError with its words where it refuses, StorageError where it is gone."""
        try:
            await _send(self._writer, {"command": command, **details})
            line = await self._reader.readuntil(b"\n")
        except (OSError, asyncio.IncompleteReadError):
            raise _nobody(self._path) from None
        answer = msgspec.json.decode(line, type=dict[str, Any])
        if not answer["ok"]:
            raise ConfigError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._writer.close()


async def ask(path: Path, command: str, *, timeout_s: float = 30.0, **details: Any) -> Any:
    """The engine's answer. Raises StorageError where no engine listens or it does not answer in time, ConfigError
    with its words where it refuses, and where another user's process answers.
    """
    try:
        async with asyncio.timeout(timeout_s):
            talk = await Conversation.begin(path)
            try:
                return await talk.ask(command, **details)
            finally:
                talk.close()
    except TimeoutError:
        raise StorageError(f"the engine at {path} did not answer within {timeout_s:g} s") from None


def _nobody(path: Path) -> StorageError:
    return StorageError(f"no engine is running (nothing answers at {path}): gal-friday live starts one")


def peer_user(connected: socket.socket) -> int | None:
    """Who is at the other end, as the kernel says; None where it cannot (then the socket's mode is the guard)."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = connected.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _refuse_stranger(path: Path, connected: socket.socket) -> None:
    """A halt must not be confirmed by whoever made a socket of that name first. Root may ask everybody's engine."""
    server, own = peer_user(connected), os.geteuid()
    if own != 0 and server not in (None, own, 0):
        raise ConfigError(
            f"user {server} answers at {path}, not an engine of user {own}: nothing was asked of it"
        )


def _refuse_second(path: Path) -> None:
    """Remove what a killed engine left; leave alone what answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWERS_WITHIN_S)
        try:
            probe.connect(str(path))
        except (OSError, TimeoutError):
            path.unlink(missing_ok=True)
            return
    raise ConfigError(
        f"an engine is already running on this data directory (it answers at {path}): stop it with "
        "gal-friday stop, or give this one its own GAL_FRIDAY_DATA_DIR"
    )


def _private_directory(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = directory.stat()
    if owner.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(owner.st_mode) & 0o002:
        raise ConfigError(f"{directory}: others may write here, so no control socket is opened in it")


def _bound(path: Path) -> socket.socket:
    """Listening only once nobody but its owner may reach it."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(OWNER_ONLY)
    except OSError as error:
        listening.close()
        raise StorageError(f"cannot open the control socket {path}: {error.strerror or error}") from error
    return listening


async def _hear_out(reader: asyncio.StreamReader) -> None:
    """Take in what a caller asks: closing a socket on unread bytes takes the answer from its other end."""
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await reader.readuntil(b"\n")


async def _send(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    writer.write(msgspec.json.encode(message) + b"\n")
    await writer.drain()


def _error(text: str) -> dict[str, Any]:
    return {"ok": False, "error": " ".join(text.split())}
