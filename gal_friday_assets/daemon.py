"""Dagster's daemon with code and connections that stay: `python -m gal_friday_assets.daemon` is `dagster-daemon`.

By itself it starts another code server every minute, which imports everything again, and makes a connection to
PostgreSQL for each question, many a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._cli.utils import get_instance_for_cli
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._daemon import cli, controller

from gal_friday_assets.connections import keep_connections


class StandingServers(GrpcServerRegistry):
    """Code servers that stay for as long as they live: what is asked for every minute is only what they serve."""

    def clear_all_grpc_endpoints(self) -> None:
        """Forget those that have ended, or could not load the code: the next question starts them again."""
        with self._lock:
            for origin, entry in list(self._active_entries.items()):
                if not _lives(entry):
                    del self._active_entries[origin]


def _lives(entry: object) -> bool:
    return isinstance(entry, ServerRegistryEntry) and entry.process.server_process.poll() is None


@contextmanager
def _kept(*arguments: Any, **named: Any) -> Iterator[dg.DagsterInstance]:
    with get_instance_for_cli(*arguments, **named) as instance:
        keep_connections(instance)
        yield instance


def main() -> None:
    """Run Dagster's own command line, which has no place for either and takes whatever has these names."""
    controller.GrpcServerRegistry = StandingServers
    cli.get_instance_for_cli = _kept
    cli.main()


if __name__ == "__main__":
    main()
