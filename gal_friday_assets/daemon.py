"""Dagster's daemon with code and connections that stay: `python -m gal_friday_assets.daemon` is `dagster-daemon`.

By itself it starts another code server every minute, which imports everything again, and makes a connection to
PostgreSQL for each question, many a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._cli.utils import get_instance_for_cli
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._daemon import cli, controller

from gal_friday_assets.connections import keep_connections


class StandingServers(GrpcServerRegistry):
    """Code servers that stay for as long as they live: what is asked for every minute is only what they serve."""

    def clear_all_grpc_endpoints(self) -> None:
        """Forget those that have ended, do not answer, or could not load the code: the next question starts them again."""
        gone = [origin for origin, entry in list(self._active_entries.items()) if not _answers(entry)]
        with self._lock:
            for origin in gone:
                self._active_entries.pop(origin, None)


def _answers(entry: object) -> bool:
    """Whether a code server is there; one that hangs for a minute is ended."""
    if not isinstance(entry, ServerRegistryEntry) or entry.process.server_process.poll() is not None:
        return False
    try:
        entry.process.create_client().ping("")
    except DagsterUserCodeUnreachableError:
        entry.process.server_process.kill()
        return False
    return True


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
