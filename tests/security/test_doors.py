"""Who may come in: the control socket asks the kernel who calls, and nothing listens beyond this machine."""

import ast
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from gal_friday_core.errors import ConfigError
from gal_friday_live import control_socket
from gal_friday_live.control_socket import ControlSocket, ask
from tests.test_house import PACKAGES, calls, named, sources, tree

NOBODY = 65_534
AS_NOBODY = f"""
import os, socket, sys
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as door:
    door.settimeout(10)
    try:
        door.connect(sys.argv[1])
    except PermissionError:
        sys.exit("the kernel lets nobody in")
    door.sendall(b'{{"command": "halt", "reason": "a stranger"}}\\n')
    print(door.makefile().readline())
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def place():
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def call_as_nobody(path):
    calling = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AS_NOBODY, str(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    answered, told = await calling.communicate()
    return answered.decode(), told.decode()


def door_of(place, heard):
    async def answer(request):
        heard.append(request)
        return {}

    return ControlSocket(place / "c.sock", answer)


@as_root
async def test_another_user_does_not_even_reach_the_socket(place):
    heard = []
    async with door_of(place, heard) as door:
        answered, told = await call_as_nobody(door.path)
        assert ("the kernel lets nobody in", answered) == (told.strip(), "")
    assert heard == []


@as_root
async def test_another_user_who_reaches_it_is_known_by_the_kernel_and_refused(place):
    """Its mode was opened by mistake: who calls is still asked."""
    heard = []
    async with door_of(place, heard) as door:
        door.path.chmod(0o666)
        answered, told = await call_as_nobody(door.path)
        assert told == ""
        assert json.loads(answered) == {
            "ok": False, "error": f"user {NOBODY} may not control the engine of user {os.geteuid()}",
        }  # fmt: skip
        assert door.refused == 1
        await ask(door.path, "status")
    assert heard == [{"command": "status"}]


async def test_a_stranger_who_made_the_socket_first_is_told_nothing(place, monkeypatch):
    heard = []
    async with door_of(place, heard) as door:
        monkeypatch.setattr(control_socket, "peer_user", lambda _: 4_321)
        monkeypatch.setattr(control_socket.os, "geteuid", lambda: 1_234)
        with pytest.raises(ConfigError, match=r"user 4321 answers at .*, not an engine of user 1234"):
            await ask(door.path, "halt")
        monkeypatch.undo()
        await ask(door.path, "status")
    assert heard == [{"command": "status"}]


def test_no_source_listens_on_every_address():
    """No literal of it anywhere, and nobody opens a server without saying where."""
    offenders = []
    for path in sources(*PACKAGES):
        module = tree(path)
        offenders += [
            f"{named(path)}:{node.lineno}"
            for node in ast.walk(module)
            if isinstance(node, ast.Constant) and node.value in ("0.0.0.0", "::", "[::]")
        ]
        offenders += [
            f"{named(path)}:{call.lineno} {name}"
            for name, call in calls(module)
            if name.endswith(("TCPSite", "create_server", "start_server", "run_app"))
            and not any(keyword.arg in ("host", "sock") for keyword in call.keywords)
            and len(call.args) < 2
        ]
    assert offenders == []


def test_what_the_simulated_exchange_and_dagster_listen_on_is_this_machine_alone():
    from gal_friday_adapters.simulated_kraken.server import HOST as EXCHANGE
    from gal_friday_live.dagster_processes import HOST as DAGSTER

    assert {EXCHANGE, DAGSTER} == {"127.0.0.1"}


def test_the_embedded_database_has_no_tcp_port_and_a_private_socket(postgres):
    (process_id, *_) = (postgres.data_dir / "cluster" / "postmaster.pid").read_text().split()
    listening = [
        connection
        for connection in psutil.Process(int(process_id)).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == []
    (directory,) = {path.parent for path in postgres.data_dir.rglob(".s.PGSQL.5432")} or {None}
    if directory is not None:  # a long path has its socket elsewhere
        assert directory.stat().st_mode & 0o077 == 0


async def test_the_simulated_exchange_is_not_reached_from_elsewhere():
    from tests.adapters.simulated_kraken.running import exchange, running

    with running(exchange()) as served:
        port = int(served.url.rpartition(":")[2].strip("/"))
        listening = {
            connection.laddr.ip
            for connection in psutil.Process().net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        }
    assert listening == {"127.0.0.1"}
