"""The dashboard as a process: listening socket, poller, application. `serve` is all of it, until it is told to stop."""

import asyncio
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn

from gal_friday_adapters.loopback import is_loopback
from gal_friday_core.config import Config
from gal_friday_core.dashboard_settings import DashboardConfig
from gal_friday_core.errors import ConfigError
from gal_friday_core.metrics import prometheus_text
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dashboard.absence import missing_engines
from gal_friday_live.dashboard.actions import Actions
from gal_friday_live.dashboard.app import MOST_MESSAGE, Exposition, Parts, application
from gal_friday_live.dashboard.assets import prepare
from gal_friday_live.dashboard.attached import attached
from gal_friday_live.dashboard.broadcast import Broadcast
from gal_friday_live.dashboard.doors import Door, doors_of
from gal_friday_live.dashboard.guard import Place
from gal_friday_live.dashboard.link import Address, forget_link, write_link
from gal_friday_live.dashboard.measured import measured
from gal_friday_live.dashboard.messages import message
from gal_friday_live.dashboard.place import check_safe, host_names, shown_host
from gal_friday_live.dashboard.pollers import Pollers
from gal_friday_live.dashboard.service import DashboardService
from gal_friday_live.dashboard.sessions import Sessions
from gal_friday_live.dashboard.view import Reading

GRACE_S: Final = 2
BACKLOG: Final = 128


async def serve(
    manager: ConfigurationManager,
    *,
    engines: Sequence[Path] = (),
    announce: Callable[[Address], object],
    stop: asyncio.Event,
) -> None:
    """Until `stop`. `announce` is told once it listens, `engines` are the data directories that it asks.

    Raises ConfigError for an unsafe address or a taken port, and for a directory that is not there.
    """
    async with running(manager, engines) as (address, working):
        announce(address)
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, *working}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        for task in working:
            if task.done():
                task.result()  # what ended it is told


@asynccontextmanager
async def running(
    manager: ConfigurationManager, engines: Sequence[Path] = ()
) -> AsyncIterator[tuple[Address, Sequence["asyncio.Task[None]"]]]:
    """It listens inside the block, at the address given, as long as its tasks work."""
    settings, doors = manager.config.dashboard, doors_of(manager.config, engines)
    check_safe(settings)
    with _listening(settings) as listening:
        port = int(listening.getsockname()[1])
        url = f"{'https' if settings.tls_key is not None else 'http'}://{shown_host(settings)}:{port}"
        async with AsyncExitStack() as stack:
            tokens: list[str] = []
            sessions = _sessions(manager.config, url, tokens)
            stack.callback(forget_link, manager.config)
            pollers, parts = _parts(manager, sessions, port, doors)
            await stack.enter_async_context(attached(manager.config, parts.service))
            polling = asyncio.create_task(pollers.run(), name="pollers")
            stack.callback(polling.cancel)
            looking = await stack.enter_async_context(missing_engines(manager.config.alerts, pollers))
            await asyncio.to_thread(prepare)
            server = uvicorn.Server(_uvicorn(parts, settings))
            serving = asyncio.create_task(server.serve(sockets=[listening]), name="server")
            try:
                yield Address.of(url, tokens[-1]), (serving, polling, looking)
            finally:
                server.should_exit = True
                await asyncio.wait({serving}, timeout=2 * GRACE_S)


def _parts(
    manager: ConfigurationManager, sessions: Sessions, port: int, doors: Sequence[Door]
) -> tuple[Pollers, Parts]:
    """Who asks the engines, and what answers browsers."""
    settings, broadcast = manager.config.dashboard, Broadcast()

    def tell(reading: Reading) -> None:
        if broadcast.listeners:
            broadcast.send(message(reading))

    pollers = Pollers(
        doors, every_s=1 / settings.updates_per_s, watched=lambda: bool(broadcast.listeners),
        arrived=broadcast.arrived, on_reading=tell,
    )  # fmt: skip
    return pollers, Parts(
        service=DashboardService(manager, None, reading=lambda: pollers.reading),
        sessions=sessions,
        broadcast=broadcast,
        actions=Actions(manager, doors, now_ns=time.time_ns),
        place=Place.of(port, host_names(settings), secure=settings.tls_key is not None),
        exposition=_exposition(settings, doors),
    )


def _sessions(config: Config, url: str, tokens: list[str]) -> Sessions:
    """Each new login token goes to `tokens`, and to the file that its owner reads."""

    def keep(token: str) -> None:
        tokens.append(token)
        del tokens[:-1]
        write_link(config, url, token)

    return Sessions(idle_s=config.dashboard.session_hours * 3600, timer=time.monotonic, on_token=keep)


def _exposition(settings: DashboardConfig, doors: Sequence[Door]) -> Exposition:
    """The engines' numbers for Prometheus: to who knows the token; without one, over loopback."""

    async def tell(authorization: str) -> str:
        token = settings.metrics_token
        if token is not None:
            given = authorization.removeprefix("Bearer ").encode()
            if not secrets.compare_digest(given, token.get_secret_value().encode()):
                raise ConfigError("say the token of dashboard.metrics_token: Authorization: Bearer …")
        elif not is_loopback(settings.host):
            raise ConfigError("set dashboard.metrics_token: the dashboard can be reached from elsewhere")
        return prometheus_text(await measured(doors))

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
        ws_per_message_deflate=False,
        limit_concurrency=200, timeout_keep_alive=30, timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16_384, ssl_certfile=settings.tls_certificate, ssl_keyfile=settings.tls_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )  # fmt: skip
