"""Many processes at one list of tasks, through dask.distributed: here by default, on a cluster by its address.

Whoever may speak to a scheduler may run code on its workers. So workers started here speak TLS with keys made for
this run, and a scheduler elsewhere is spoken to by TLS, or by plain TCP on this machine only. Entry point: `workers`.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from gal_friday_adapters.scheduler_tls import security as by_files
from gal_friday_adapters.shared_data import Shared, packed, unpack
from gal_friday_core import __version__
from gal_friday_core.compiled import sources
from gal_friday_core.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECT_S = 15
UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
}
"""What dask watches of itself and nobody here looks at: a twentieth of every worker's time, and more of this process'."""
PACKAGE = "distributed is not installed: use the pipeline's requirements, or --workers 1"


class Workers(Protocol):
    """Who works. `count`: tasks that run at the same time, as far as is known."""

    count: int

    def hold(self, data: Iterable[Shared]) -> None:
        """Have these candles where the work is done, before it begins."""
        ...

    def each(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """(place of a task, what `work` gave), as they come; leaving early cancels what has not begun."""
        ...


class Here:
    """One task after the other, in this process."""

    count = 1

    def hold(self, data: Iterable[Shared]) -> None:
        del data

    def each(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        for place, task in enumerate(tasks):
            yield place, work(task)


class Processes:
    """The workers of one dask client."""

    def __init__(self, client: "Client", *, send: bool) -> None:
        self._client = client
        self._send = send
        self.count = sum(map(int, client.nthreads().values())) or 1
        _same_code(client)

    def hold(self, data: Iterable[Shared]) -> None:
        """Workers that share no disk with this process get a copy, those that join later too."""
        if self._send:
            self._client.register_plugin(_holder([(one, packed(one)) for one in data]))

    def each(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        from distributed import KilledWorker, as_completed

        futures = self._client.map(work, tasks, pure=False, key="backtests")
        places = {future.key: place for place, future in enumerate(futures)}
        try:
            for future in as_completed(futures):
                yield places[future.key], future.result()
                future.release()
        except KilledWorker as error:
            raise StorageError(
                f"worker processes died again and again on one task: {error}; is memory short? Try fewer --workers"
            ) from error
        finally:
            self._client.cancel(futures)


@contextmanager
def workers(
    count: int | None = None, scheduler: str | None = None, *, tls: Sequence[Path] | None = None
) -> Iterator[Workers]:
    """`count` processes here (one a core by default; 1: this one), or those of the `scheduler` at an address.

    `tls`: files of the authority, of the own certificate and of its key. Raises ConfigError for an address that is
    not safe to speak to, StorageError where nobody answers there or its workers run other code.
    """
    if scheduler is not None:
        with _cluster(scheduler, tls) as client:
            yield Processes(client, send=True)
    elif (wanted := count or cores()) == 1:
        yield Here()
    else:
        with _local(wanted) as client:
            yield Processes(client, send=False)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_safe(address: str, *, tls: bool) -> None:
    """Raises ConfigError for an address that is none, or whose line anybody could use."""
    parts = urlsplit(address)
    if parts.scheme not in {"tcp", "tls"} or not parts.hostname or not parts.port:
        raise ConfigError(
            f"not a scheduler's address: {address}; write tls://HOST:PORT or tcp://127.0.0.1:PORT"
        )
    if parts.scheme == "tcp" and parts.hostname not in LOOPBACK:
        raise ConfigError(
            f"{address}: plain TCP lets anybody on the way run code on the workers; start the scheduler with TLS and "
            "give tls://HOST:PORT with --tls, or tunnel it to this machine"
        )
    if parts.scheme == "tls" and not tls:
        raise ConfigError(f"{address}: TLS needs --tls CA.pem CERTIFICATE.pem KEY.pem")


ANY_PORT: Final = {"dashboard_address": "127.0.0.1:0"}
"""A scheduler serves its health even without its pages: else where our own dashboard is."""


@contextmanager
def _local(count: int) -> "Iterator[Client]":
    """Processes of this machine, on its loopback, gone after the block."""
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError as error:
        raise ConfigError(PACKAGE) from error
    security = Security.temporary()
    with (
        dask.config.set(UNWATCHED),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs=ANY_PORT,
            memory_limit=0,
            security=security,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, security=security) as client,
    ):
        yield client


@contextmanager
def cluster(address: str, tls: Sequence[Path] | None) -> "Iterator[Client]":
    """A client of the scheduler there, whose workers run the same code as this process. Raises as `workers` does."""
    with _cluster(address, tls) as client:
        _same_code(client)
        yield client


@contextmanager
def _cluster(address: str, tls: Sequence[Path] | None) -> "Iterator[Client]":
    require_safe(address, tls=bool(tls))
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(PACKAGE) from error
    try:
        client = Client(
            address, timeout=CONNECT_S, security=by_files(tls) if tls else None, set_as_default=False
        )
    except (OSError, TimeoutError) as error:
        advice = f"; is its certificate by {tls[0]}, and is {tls[1]} by its authority?" if tls else ""
        raise StorageError(f"no scheduler answers at {address}: {error}{advice}") from error
    with client, client.as_current():  # of this thread: others may have one too
        if not client.nthreads():
            raise StorageError(
                f"the scheduler at {address} has no workers: start some with `dask worker {address}`"
            )
        yield client


def _code() -> tuple[str, str]:
    return __version__, sources()


def _same_code(client: "Client") -> None:
    """Other code gives other trades: refuse it."""
    own = _code()
    others = sorted(address for address, code in client.run(_code).items() if tuple(code) != own)
    if others:
        raise StorageError(
            f"{len(others)} workers run other code than this process (gal-friday {__version__}), such as {others[0]}: "
            "install the same version there"
        )


def _holder(data: list[tuple[Shared, dict[str, bytes]]]) -> Any:
    """Made here, since only those who have dask can name its class."""
    from distributed import WorkerPlugin

    class Holder(WorkerPlugin):  # type: ignore[misc]  # dask is not typed
        """Writes the candles below the worker's own directory, when it starts."""

        name = "gal-friday-candles"

        def setup(self, worker: Any) -> None:
            for one, files in data:
                unpack(Path(worker.local_directory), one, files)

    return Holder()


def worker_directory() -> Path | None:
    """Of the dask worker that this code runs in; None in any other process."""
    try:
        from distributed import get_worker

        return Path(get_worker().local_directory)
    except (ImportError, ValueError):
        return None
