"""Redis, workers and runs of a test, each its own process, gone behind it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import dagster as dg
import psutil
import pytest
from dagster._core.code_pointer import CodePointer, FileCodePointer, ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin

from tests.bounded import TEST_S

ROOT = Path(__file__).parents[2]
JOBS = Path(__file__).with_name("celery_jobs.py")

GAL_FRIDAY = ModuleCodePointer("gal_friday_assets.definitions", "defs", str(ROOT))
SMALL = FileCodePointer(str(JOBS), "defs", str(ROOT))


def until(condition: Callable[[], object], what: str) -> None:
    """Return once it holds. Raises AssertionError after a time that no sound machine needs."""
    end = time.monotonic() + TEST_S
    while not condition():
        assert time.monotonic() < end, f"waited {TEST_S:g} s for: {what}"
        time.sleep(0.05)


class Redis:
    """A server of its own on loopback that keeps nothing; a context manager."""

    def __init__(self, folder: Path, password: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("no redis-server here")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        where = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command = [program, *where, "--requirepass", password]
        self.address = f"redis://:{password}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(lambda: _listens(self._port), "Redis")

    def kill(self) -> None:
        """At once, with all that it knew."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker with a home of its own."""

    name: str
    home: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return " ready." in self.log.read_text()

    def received(self) -> list[str]:
        """Lines of its log about runs that it took."""
        return [line for line in self.log.read_text().splitlines() if " received" in line]

    def children(self) -> set[int]:
        """The processes that execute its runs."""
        return {child.pid for child in psutil.Process(self.process.pid).children()}


@contextmanager
def worker(name: str, home: Path, env: Mapping[str, str]) -> Iterator[Worker]:
    """Starts one, and kills it and its children behind. It may not be ready yet."""
    home.mkdir()
    log = home / "worker.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", "gal_friday_assets.worker", "--name", name],
            env={**os.environ, **env, "GAL_FRIDAY_DATA_DIR": str(home)},
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Worker(name, home, process, log)
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """The process and its children at once, as when a machine goes down."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def origin(job: dg.JobDefinition, code: CodePointer) -> JobPythonOrigin:
    """Where a worker finds the job."""
    repository = RepositoryPythonOrigin(sys.executable, code, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    return JobPythonOrigin(job.name, repository)


def send(instance: dg.DagsterInstance, job: dg.JobDefinition, code: CodePointer, **run: object) -> str:
    """Hand one run of the job to the launcher, as the daemon does when its turn has come; the run's id."""
    made = instance.create_run_for_job(job, job_code_origin=origin(job, code), **run)
    instance.run_launcher.launch_run(LaunchRunContext(made, workspace=None))
    return made.run_id


def open_gate(gate: Path) -> None:
    """Let the run that waits at it go on."""
    gate.open("wb").close()
