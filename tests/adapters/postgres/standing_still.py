"""A database server that accepts connections and answers nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from gal_friday_adapters.postgres.server import EmbeddedPostgres


def processes_of(server: EmbeddedPostgres) -> list[psutil.Process]:
    """Its postmaster first."""
    pid = int((server.data_dir / "cluster" / "postmaster.pid").read_text().split()[0])
    postmaster = psutil.Process(pid)
    return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def standing_still(server: EmbeddedPostgres) -> Iterator[None]:
    """Every process of the server, as they are at the beginning."""
    processes = processes_of(server)
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # a connection that was closed just now
                process.suspend()
        yield
    finally:
        for process in processes:  # one left standing would hold up its client for ever
            with suppress(psutil.NoSuchProcess):
                process.resume()
