"""A drill that is killed leaves nothing: no database, no role, and no folder where it was a temporary one."""

import json
import subprocess
import sys
from pathlib import Path

import psutil

from tests.bounded import line_of
from tests.live.processes_world import wait_for

DRILL = """
import json, sys
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_live.processes import Children
from gal_friday_live.strand_drill.place import place

with place(None) as folder:
    EmbeddedPostgres(folder / "postgres", durable=False).start()
    role = ["sh", "-c", "sleep 1000", str(folder / "drill.yaml")]
    with Children(folder / "logs") as children:
        children.start("role", role, {})
        print(json.dumps([str(folder), (folder / "postgres/cluster/postmaster.pid").read_text().split()[0]]), flush=True)
        sys.stdin.read()
"""


def test_a_killed_drill_leaves_neither_database_nor_roles_nor_its_folder():
    with subprocess.Popen(
        [sys.executable, "-c", DRILL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as drill:
        folder, postmaster = json.loads(line_of(drill.stdout))
        left = [psutil.Process(int(postmaster)), *psutil.Process(drill.pid).children(recursive=True)]
        drill.kill()
    assert len(left) >= 4, "its database, its caretaker, a guard and what that guards"
    wait_for("their end", lambda: not any(lives(process) for process in left))
    assert not Path(folder).exists()


def lives(process):
    """What nobody buries is gone all the same."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
