"""The dashboard as a process: listening socket, poller, application. `serve` is all of it, until it is told to stop."""

import asyncio
import json
import os
import secrets
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import uvicorn

from gal_friday_adapters import paths
from gal_friday_adapters.private_files import require_private
from gal_friday_core.config import Config
from gal_friday_core.dashboard_settings import DashboardConfig
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.metrics import prometheus_text
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ask, control_path
from gal_friday_live.dashboard.actions import Actions
from gal_friday_live.dashboard.app import MOST_MESSAGE, Exposition, Parts, application
from gal_friday_live.dashboard.attached import attached
from gal_friday_live.dashboard.broadcast import Broadcast
from gal_friday_live.dashboard.guard import Place
from gal_friday_live.dashboard.messages import message
from gal_friday_live.dashboard.poller import Poller
from gal_friday_live.dashboard.service import DashboardService
from gal_friday_live.dashboard.sessions import Sessions
from gal_friday_live.dashboard.view import Reading

FILE: Final = "dashboard.json"
GRACE_S: Final = 2
BACKLOG: Final = 128
METRICS_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a browser finds it, and a link that logs in once."""

    url: str
    link: str


def link_file(config: Config) -> Path:
    """Holds the address and the present login token, for the owner of the data directory only."""
    return paths.data_dir(config) / FILE


def read_link(config: Config) -> Address:
    """Of the dashboard that runs on this data directory. Raises StorageError where none does."""
    file = link_file(config)
    try:
        told = json.loads(file.read_text("utf-8"))
        os.kill(int(told["pid"]), 0)
    except (OSError, ValueError, KeyError):
        raise StorageError(
            f"no dashboard runs on {file.parent}: gal-friday dashboard or gal-friday up starts one"
        ) from None
    return Address(told["url"], _link(told["url"], told["token"]))


def check_safe(settings: DashboardConfig) -> None:
    """Raises ConfigError for an address away from loopback without TLS, and for half of a pair of keys."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if (certificate is None) != (key is None):
        raise ConfigError("dashboard.tls_certificate and dashboard.tls_key belong together: set both or none")
    if certificate is None and not is_loopback(settings.host):
        raise ConfigError(
            f"dashboard.host {settings.host} can be reached from elsewhere: set dashboard.tls_certificate and "
            "dashboard.tls_key, or listen on 127.0.0.1 and come through an ssh tunnel"
        )
    if key is not None:
        require_private(key, "dashboard.tls_key")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(
    manager: ConfigurationManager,
    *,
    announce: Callable[[Address], object],
    stop: asyncio.Event,
) -> None:
    """Until `stop`. `announce` is told once it listens. Raises ConfigError for an unsafe address or a taken port."""
    async with running(manager) as (address, working):
        announce(address)
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, *working}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        for task in working:
            if task.done():
                task.result()  # what ended it is told


@asynccontextmanager
async def running(
    manager: ConfigurationManager,
) -> AsyncIterator[tuple[Address, Sequence["asyncio.Task[None]"]]]:
    """It listens inside the block, at the address given, as long as its tasks work."""
    settings = manager.config.dashboard
    check_safe(settings)
    with _listening(settings) as listening:
        port = int(listening.getsockname()[1])
        url = f"{'https' if settings.tls_key is not None else 'http'}://{_shown_host(settings)}:{port}"
        file = link_file(manager.config)
        async with AsyncExitStack() as stack:
            tokens: list[str] = []
            sessions = _sessions(settings, file, url, tokens)
            stack.callback(file.unlink, missing_ok=True)
            poller, parts = _parts(manager, sessions, port)
            await stack.enter_async_context(attached(manager.config, parts.service))
            polling = asyncio.create_task(poller.run(), name="poller")
            stack.callback(polling.cancel)
            server = uvicorn.Server(_uvicorn(parts, settings))
            serving = asyncio.create_task(server.serve(sockets=[listening]), name="server")
            try:
                yield Address(url, _link(url, tokens[-1])), (serving, polling)
            finally:
                server.should_exit = True
                await asyncio.wait({serving}, timeout=2 * GRACE_S)


def _parts(manager: ConfigurationManager, sessions: Sessions, port: int) -> tuple[Poller, Parts]:
    """Who asks the engine, and what answers browsers."""
    settings, path = manager.config.dashboard, control_path(paths.data_dir(manager.config))
    broadcast = Broadcast()

    def tell(reading: Reading) -> None:
        if broadcast.listeners:
            broadcast.send(message(reading))

    poller = Poller(
        path, every_s=1 / settings.updates_per_s, watched=lambda: bool(broadcast.listeners),
        arrived=broadcast.arrived, on_reading=tell,
    )  # fmt: skip
    return poller, Parts(
        service=DashboardService(manager, None, reading=lambda: poller.reading),
        sessions=sessions,
        broadcast=broadcast,
        actions=Actions(manager, path, now_ns=time.time_ns),
        place=Place.of(port, _names(settings), secure=settings.tls_key is not None),
        exposition=_exposition(settings, path),
    )


def _sessions(settings: DashboardConfig, file: Path, url: str, tokens: list[str]) -> Sessions:
    """Each new login token goes to `tokens`, and to the file that its owner reads."""

    def keep(token: str) -> None:
        tokens.append(token)
        del tokens[:-1]
        _write_link(file, url, token)

    return Sessions(idle_s=settings.session_hours * 3600, timer=time.monotonic, on_token=keep)


def _exposition(settings: DashboardConfig, path: Path) -> Exposition:
    """The engine's numbers for Prometheus: to who knows the token; without one, over loopback."""

    async def tell(authorization: str) -> str:
        token = settings.metrics_token
        if token is not None:
            given = authorization.removeprefix("Bearer ").encode()
            if not secrets.compare_digest(given, token.get_secret_value().encode()):
                raise ConfigError("say the token of dashboard.metrics_token: Authorization: Bearer …")
        elif not is_loopback(settings.host):
            raise ConfigError("set dashboard.metrics_token: the dashboard can be reached from elsewhere")
        told: dict[str, Any] = await ask(path, "metrics", timeout_s=METRICS_WITHIN_S)
        return prometheus_text(told["readings"], told["labels"])

    return tell


def _listening(settings: DashboardConfig) -> socket.socket:
    """Raises ConfigError where the address is not ours to take."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot listen on dashboard.host {settings.host}, dashboard.port {settings.port}: "
            f"{error.strerror or error}; choose another, or 0 for a free one"
        ) from None
    return listening


def _uvicorn(parts: Parts, settings: DashboardConfig) -> uvicorn.Config:
    return uvicorn.Config(
        application(parts), loop="asyncio", http="h11", ws="websockets-sansio", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False, ws_max_size=MOST_MESSAGE, ws_max_queue=4,
        limit_concurrency=200, timeout_keep_alive=30, timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16_384, ssl_certfile=settings.tls_certificate, ssl_keyfile=settings.tls_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )  # fmt: skip


def _names(settings: DashboardConfig) -> tuple[str, ...]:
    """Host names besides loopback's; of an address that means all of them, none follows."""
    every = settings.host in ("0.0.0.0", "::")  # noqa: S104 - a name that is compared, not bound
    return settings.names if every else (*settings.names, _shown_host(settings))


def _shown_host(settings: DashboardConfig) -> str:
    host = settings.names[0] if settings.names else settings.host
    return f"[{host}]" if ":" in host else host


def _link(url: str, token: str) -> str:
    return f"{url}/login?token={token}"


def _write_link(file: Path, url: str, token: str) -> None:
    """Whole, and never readable by others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".dashboard-", dir=file.parent)  # 0600 from the start
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump({"url": url, "token": token, "pid": os.getpid()}, opened)
    Path(name).replace(file)
