"""Where alerts arrive in tests: a webhook over real HTTP, and a mail server that speaks enough of SMTP."""

import json
import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.bounded import joined

PATIENCE_S = 30


class Arrivals:
    """What came, in order; `wait` for so many of them."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self._changed = threading.Condition()

    def add(self, one: Any) -> None:
        with self._changed:
            self.all.append(one)
            self._changed.notify_all()

    def wait(self, count: int) -> list[Any]:
        with self._changed:
            self._changed.wait_for(lambda: len(self.all) >= count, PATIENCE_S)
            return list(self.all)


class _Server:
    """A server on its own thread and a free port of the loopback."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self.arrived = Arrivals()
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])  # type: ignore[index]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        joined(self._thread)
        self._server.server_close()


class Webhook(_Server):
    """`answers` are statuses to give first; while `open` is clear no answer comes."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.asked = Arrivals()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.asked.add(self.path)
                hook.open.wait(PATIENCE_S)
                status = hook.answers.pop(0) if hook.answers else 204
                if status < 300:  # before the answer: who has that may look at once
                    hook.arrived.add(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.daemon_threads = True
        super().__init__(http)
        self.url = f"json://127.0.0.1:{self.port}/hook"

    def __exit__(self, *_: object) -> None:
        self.open.set()
        super().__exit__()


class MailServer(_Server):
    """Takes every mail, without authentication."""

    def __init__(self) -> None:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 sink ESMTP")
                while line := self.rfile.readline():
                    command = line.strip().upper()
                    if command == b"DATA":
                        self.say("354 go on")
                        server.take(self.mail())
                        self.say("250 taken")
                    elif command == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def mail(self) -> bytes:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b"."))
                return b"".join(lines)

        tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        tcp.daemon_threads = True
        super().__init__(tcp)
        self.url = f"mailto://127.0.0.1:{self.port}?from=engine@example.org&to=ada@example.org"

    def take(self, raw: bytes) -> None:
        parsed = message_from_bytes(raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.arrived.add(parsed)
