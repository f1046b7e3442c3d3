"""A network between an engine and its exchange that can be cut: in one direction, in both, or for good."""

import ctypes
import os
import selectors
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from tests.bounded import joined

CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16


class Proxy:
    """Listens at `port` of this machine and carries every connection to `target`.

    `carries` says which directions pass, of `up` (to the exchange) and `down`. What a direction does not carry is not
    read either: it waits in the sockets, as behind a cable that was pulled. `namespace` is the name of a network
    namespace to listen in.
    """

    def __init__(self, target, namespace=None):
        self._target = target
        self.carries = {"up", "down"}
        self._listener = listening(namespace)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ended = threading.Event()
        self._pairs = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        self._listener.settimeout(0.1)
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            carrier = threading.Thread(target=self._carry, args=(near, far), daemon=True)
            self._pairs.append(carrier)
            carrier.start()

    def _carry(self, near, far):
        ways = {near: (far, "up"), far: (near, "down")}
        with near, far, selectors.DefaultSelector() as selector:
            for end in ways:
                selector.register(end, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in selector.select(0.02):
                    other, way = ways[key.fileobj]
                    if way not in self.carries:
                        self._ended.wait(0.02)
                        continue
                    if not passed(key.fileobj, other):
                        return

    def end(self):
        self._ended.set()
        joined(self._thread, *self._pairs)
        self._listener.close()


def passed(end, other):
    """Carry what is there; False once a side has closed."""
    try:
        data = end.recv(CHUNK)
        if data:
            other.sendall(data)
    except OSError:
        return False
    return bool(data)


def listening(namespace):
    """A listening socket; it belongs to the namespace of the thread that makes it."""
    made = []

    def make():
        if namespace is not None:
            enter(namespace)
        made.append(socket.create_server(("127.0.0.1", 0)))

    thread = threading.Thread(target=make)
    thread.start()
    joined(thread)
    return made[0]


def enter(namespace):
    """Let this thread, and what it starts, live in a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open("rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A network namespace with nothing but a loopback device, which can be taken down."""

    def __init__(self):
        self.name = f"gal-friday-{os.getpid()}"
        self._ip("netns", "add", self.name)
        self.up()

    def up(self):
        self._ip("-n", self.name, "link", "set", "lo", "up")

    def down(self):
        self._ip("-n", self.name, "link", "set", "lo", "down")

    def end(self):
        with suppress(subprocess.CalledProcessError):
            self._ip("netns", "del", self.name)

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)
