"""Engines as real processes that start in a moment: each is forked from one that has imported and compiled everything.

What is forked has threads, sockets and files of its own and dies of `kill -9` like any other. Where a program's start is
what is tested, `processes_world.Process` starts it from nothing.
"""

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import psutil
from msgspec.structs import replace

from tests.bounded import line_of
from tests.live.processes_engine import ARM
from tests.live.processes_proxy import enter
from tests.live.processes_world import GIVE_UP_S, ROOT, environment, wait_for

HARMLESS = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""Threads that Polars starts when it is imported; its allocator knows of forks."""


STANDS_STILL = "tests.live.processes_engine"
RESTING = "GAL_FRIDAY_TEST_ENTRIES_REST"
"""An environment variable: the engine's entries are to rest in the book."""
NAMESPACE = "GAL_FRIDAY_TEST_NETWORK_NAMESPACE"
"""An environment variable: the network namespace that the engine lives in."""
RESTS_ABOVE_STOP = Decimal("1.1")
LOADS_WITHIN_S = 240.0
"""Twenty seconds on an idle machine, where nothing was compiled before."""


class Nursery:
    """The process that engines are forked from. `spawn` is what `processes_world.Engines` asks for."""

    def __init__(self, folder):
        self._popen = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, env=environment(folder) | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert line_of(self._popen.stdout, LOADS_WITHIN_S) == "ready\n"

    def spawn(self, module, arguments, log, env):
        program, *moment = module
        assert program == (STANDS_STILL if moment else "gal_friday_live.cli")
        log.touch()
        log.with_suffix(".out").touch()
        wanted = {
            "arguments": [str(argument) for argument in arguments],
            "log": str(log),
            "env": env,
            "moment": moment,
        }
        self._popen.stdin.write(json.dumps(wanted) + "\n")
        self._popen.stdin.flush()
        return Forked(int(line_of(self._popen.stdout)), log)

    def end(self):
        """After every engine: those that have ended are buried only now, so that no number is used twice."""
        self._popen.stdin.close()
        self._popen.stdout.close()
        self._popen.wait(GIVE_UP_S)


class Forked:
    """One engine; has what tests use of `processes_world.Process`. `lags` are its readings of `LoopLag`."""

    def __init__(self, pid, log):
        self.log = log
        self._told = 0
        self._process = psutil.Process(pid)

    @property
    def lives(self):
        return self._process.status() != psutil.STATUS_ZOMBIE

    def told(self):
        """The next JSON line."""

        def look():
            over = not self.lives
            lines = self.log.with_suffix(".out").read_text().splitlines(keepends=True)[self._told :]
            if lines and lines[0].endswith("\n"):
                return lines[0]
            assert not over, f"the process ended or said nothing:\n{self.last_words()}"
            return None

        line = wait_for("a word of the engine", look)
        self._told += 1
        return json.loads(line)

    def lags(self, since=0.0):
        """The longest waits for its event loop, in seconds, read once a second from a moment of `time.monotonic` on."""
        path = self.log.with_suffix(".lag")
        readings = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [float(worst) for moment, worst in readings if float(moment) >= since]

    def stands_still(self):
        """Return once the process has stopped itself."""

        def look():
            assert self.lives, f"the process ended before its moment came:\n{self.last_words()}"
            return self._process.status() == psutil.STATUS_STOPPED

        wait_for("the moment", look)

    def kill(self):
        self._process.kill()
        wait_for("its end", lambda: not self.lives, every_s=0.01)

    def signal(self, number):
        self._process.send_signal(number)

    def end(self):
        if self.lives:
            self._process.resume()
            self._process.terminate()
            deadline = time.monotonic() + 15
            while self.lives and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.lives:
                self.kill()

    @property
    def returncode(self):
        wait_for("its end", lambda: not self.lives)
        return int(self.log.with_suffix(".code").read_text())

    def last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


def load():
    """Everything that an engine imports and compiles."""
    from gal_friday_adapters.kraken import books
    from gal_friday_core.candles import Series
    from gal_friday_core.features.drivers import compute
    from gal_friday_core.market_simulator import simulate
    from gal_friday_live import cli, live_engine, live_stage  # noqa: F401 - imported is all they need to be

    books.load()
    compute(simulate(Series("synthetic", "BTC/USD", "1m"), 0, 600, 1))


def note_lags(path):
    """Write down what the engine's own probe of its event loop reads."""
    from gal_friday_live.probes import LoopLag

    read = LoopLag.read

    def noted(self):
        worst = read(self)
        with path.open("a") as file:
            file.write(f"{time.monotonic()} {worst}\n")
        return worst

    LoopLag.read = noted


def rest_entries():
    """Every entry is a limit order far below the market, so that there is one to cancel."""
    from gal_friday_live.execution_handler import ExecutionHandler

    order_of = ExecutionHandler._order

    def resting(self, signal):
        order = order_of(self, signal)
        if order.side == "SELL":
            return order
        return replace(order, order_type="LIMIT", limit_price=round(order.stop_price * RESTS_ABOVE_STOP, 1))

    ExecutionHandler._order = resting


def threads():
    """What the kernel calls the threads of this process, the main one left out."""
    tasks = Path("/proc/self/task").iterdir()
    return {(task / "comm").read_text().strip() for task in tasks if task.name != str(os.getpid())}


def live(wanted):
    """Become the engine; never returns."""
    from gal_friday_live import cli

    log = Path(wanted["log"])
    for descriptor, path in ((0, Path(os.devnull)), (1, log.with_suffix(".out")), (2, log)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.update(wanted["env"])
    sys.argv = ["gal-friday", *wanted["arguments"]]
    note_lags(log.with_suffix(".lag"))
    for moment in wanted["moment"]:
        ARM[moment]()
    if namespace := os.environ.get(NAMESPACE):
        enter(namespace)
    if os.environ.get(RESTING):
        rest_entries()
    code = 1
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        log.with_suffix(".code").write_text(str(code))
        os._exit(code)


def main():
    load()
    assert threads() <= HARMLESS, "locks that a thread holds stay held in what is forked"
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    born = []
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            live(json.loads(line))
        born.append(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in born:  # not buried yet, so the numbers are still theirs: none outlives a test that was cut off
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
