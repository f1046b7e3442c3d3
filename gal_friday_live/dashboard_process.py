"""The dashboard as a child of `up`: on loopback, beside the engine, never inside it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from gal_friday_core.config import Config
from gal_friday_core.errors import StorageError
from gal_friday_live.dagster_processes import free_port
from gal_friday_live.dashboard.link import read_link
from gal_friday_live.dashboard.place import shown_host
from gal_friday_live.processes import Child, Children


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The running child, and where a browser finds it."""

    config: Config
    address: str
    child: Child

    @property
    def link(self) -> str:
        """Logs in once; the bare address while it is still starting."""
        try:
            found = read_link(self.config)
        except StorageError:
            return self.address
        return found.link if found.url == self.address else self.address


def start_dashboard(children: Children, config: Config, env: Mapping[str, str]) -> Dashboard:
    """Start it; it comes up while others work. A port that is taken is replaced by a free one."""
    settings = config.dashboard
    port = free_port(settings.port)
    scheme = "http" if settings.tls_key is None else "https"
    command = [sys.executable, "-m", "gal_friday_live.cli", "dashboard", "--no-link", "--port", str(port)]
    child = children.start("dashboard", command, env)
    return Dashboard(config, f"{scheme}://{shown_host(settings)}:{port}", child)
