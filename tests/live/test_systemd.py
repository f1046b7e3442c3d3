"""What the service manager hears."""

import contextlib
import socket

from gal_friday_live.systemd import notify


def test_a_state_reaches_the_socket_that_the_manager_named(tmp_path):
    path = tmp_path / "notify"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(str(path))
        assert notify("READY=1", {"NOTIFY_SOCKET": str(path)})
        assert listening.recv(100) == b"READY=1"


def test_an_abstract_socket_is_reached_too():
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind("\0gal-friday-test-notify")
        assert notify("WATCHDOG=1", {"NOTIFY_SOCKET": "@gal-friday-test-notify"})
        assert listening.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_is_said(tmp_path):
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "elsewhere"})
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
