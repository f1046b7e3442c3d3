"""Dagster's web server and daemon as children of `up`, on loopback. They run beside the engine, never inside it."""

import contextlib
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from gal_friday_live.processes import Child, Children

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class DagsterServices:
    """The running pair, and where a browser finds it."""

    address: str
    web: Child
    daemon: Child

    @property
    def answers(self) -> bool:
        """Whether the web server takes requests already; it needs a few seconds to load the code location."""
        try:
            with urllib.request.urlopen(f"{self.address}/server_info", timeout=0.5) as response:  # noqa: S310 - http on loopback
                return bool(response.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


def start_dagster(children: Children, port: int, env: Mapping[str, str]) -> DagsterServices:
    """Start web server and daemon on the instance that `env` leads to; they come up while others work.

    A port that is taken is replaced by a free one: the address says which.
    """
    port = free_port(port)
    instance = [sys.executable, "-m", "gal_friday_assets.instance"]
    web = children.start(
        "dagster-webserver", [*instance, "dagster-webserver", "-h", HOST, "-p", str(port)], env
    )
    daemon = children.start("dagster-daemon", [*instance, "dagster-daemon", "run"], env)
    return DagsterServices(f"http://{HOST}:{port}", web, daemon)


def free_port(wanted: int) -> int:
    """The wanted loopback port, or another where that is taken, or 0."""
    return wanted if _is_free(wanted) else _free_port()


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return port != 0


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
