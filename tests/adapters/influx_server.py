"""A server that takes InfluxDB's version 2 writes as the real one does: refuses what it refuses, keeps what it takes."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.bounded import joined

TOKEN = "token-of-the-test"


class InfluxServer:
    """`lines` are those taken; `answers` are statuses to give first, in order; `hang` holds answers back."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.answers: list[int] = []
        self.requests: list[dict[str, list[str]]] = []
        self.hang = threading.Event()
        self.hang.set()
        self.arrived = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                server.hang.wait(20)
                status = server.take(self.path, self.headers.get("Authorization", ""), body.decode())
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    def take(self, path: str, authorization: str, body: str) -> int:
        with self.arrived:
            split = urlsplit(path)
            self.requests.append(parse_qs(split.query))
            self.arrived.notify_all()
            if self.answers:
                return self.answers.pop(0)
            if authorization != f"Token {TOKEN}":
                return 401
            if split.path != "/api/v2/write":
                return 404
            self.lines += body.split("\n")
            return 204

    def wait_for_lines(self, count: int) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.lines) >= count, 20)

    def wait_for_requests(self, count: int) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.requests) >= count, 20)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.end()

    def end(self) -> None:
        """Nobody listens any more. Safe to call twice."""
        self.hang.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._http.server_close()
            joined(self._thread)
