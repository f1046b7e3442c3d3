"""Children end with their owner, however it ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gal_friday_live.interruption import Interruption
from gal_friday_live.processes import Children

GRANDCHILD = textwrap.dedent(
    """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
    print(os.getpid(), child.pid, flush=True)
    time.sleep(600)
    """
)

OWNER = textwrap.dedent(
    """
    import pathlib, sys, time
    from gal_friday_live.processes import Children
    Children(pathlib.Path(sys.argv[1])).start("tree", [sys.executable, "-c", sys.argv[2]], {})
    time.sleep(600)
    """
)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("condition not met in time")


def pids(log):
    return [int(word) for word in log.read_text().split()] if log.exists() else []


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
def test_stop_ends_children_and_what_they_started(tmp_path):
    with Children(tmp_path) as children:
        child = children.start("tree", [sys.executable, "-c", GRANDCHILD], {})
        first, second = wait_until(lambda: len(found := pids(child.log)) == 2 and found)
        assert alive(first)
        assert alive(second)
    assert not alive(first)
    wait_until(lambda: not alive(second))


@linux
def test_kill_of_the_owner_leaves_no_process_behind(tmp_path):
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            OWNER,
            str(tmp_path),
            GRANDCHILD,
        ]
    )
    first, second = wait_until(lambda: len(found := pids(tmp_path / "tree.log")) == 2 and found)
    owner.send_signal(signal.SIGKILL)
    owner.wait(60)
    wait_until(lambda: not alive(first) and not alive(second))


def test_a_command_that_ends_by_itself_is_seen_as_ended_with_its_last_words(tmp_path):
    with Children(tmp_path) as children:
        child = children.start(
            "short", [sys.executable, "-c", "print('cannot bind'); raise SystemExit(3)"], {}
        )
        assert child.process.wait(20) == 3
        assert not child.running
        assert child.last_words() == "cannot bind"


def test_a_signal_leaves_a_mark_and_strikes_only_where_it_is_looked_at():
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        interruption.check()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # a second one changes nothing
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert signal.getsignal(signal.SIGINT) is before
