"""An S3 server on loopback that knows nothing of us (moto), and what networks do to its requests.

moto checks a condition and stores in two steps; the lock makes them one, as S3 does.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from gal_friday_adapters.locations import ObjectUrl
from gal_friday_core.storage_settings import ObjectStoreConfig

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTS", "AWS_SECRET_ACCESS_KEY": "a secret of tests"}

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Fault = Callable[[App, dict[str, Any], Any], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 # werkzeug's name
        pass


class BucketServer:
    """`requests`: (method, name) of each; `sent`: bytes of all answers. `patience`: so many requests more are answered
    (None: all), then the line is cut at each. A fault in `faults` happens to the next request whose method it names."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=Quiet, ssl_context=tls
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self._count = 0
        self.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{self._server.port}"
        self.requests: list[tuple[str, str]] = []
        self.sent = 0
        self.patience: int | None = None
        self.faults: list[tuple[str, Fault]] = []

    def bucket(self, **reach: Any) -> ObjectUrl:
        """A new bucket, reached with little patience."""
        self._count += 1
        name = f"bucket-{self._count}"
        request = Request(f"{self.endpoint}/{name}", method="PUT")
        authority = reach.get("authority")
        urlopen(
            request, timeout=10, context=authority and ssl.create_default_context(cafile=authority)
        ).close()
        settings = {
            "connect_timeout_s": 5,
            "request_timeout_s": 20,
            "retries": 2,
            "retry_timeout_s": 20,
        } | reach
        return ObjectUrl(name, "prefix", ObjectStoreConfig(endpoint_url=self.endpoint, **settings))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(30)
        self._server.server_close()

    def _serve(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        self.requests.append((method, environ["PATH_INFO"]))
        if self._is_away():
            _hang_up(environ)
            return []
        for place, (wanted, fault) in enumerate(self.faults):
            if wanted == method:
                del self.faults[place]
                return fault(self._answer, environ, start)
        return self._answer(environ, start)

    def _is_away(self) -> bool:
        with self._lock:
            if self.patience is None:
                return False
            self.patience = max(-1, self.patience - 1)
            return self.patience < 0

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        with self._lock:
            answer = list(self._app(environ, start))
            self.sent += sum(map(len, answer))
            return answer


def pass_on(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """No fault at all: for those that come later."""
    return app(environ, start)


def cut_answer(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """Half of what was promised, and the line is gone."""
    body = b"".join(app(environ, start))
    yield body[: len(body) // 2]
    _hang_up(environ)


def lost_answer(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """Everything is done, and nobody hears of it."""
    app(environ, lambda *_: None)
    _hang_up(environ)
    return []


def cut_request(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """The line is gone before the server has heard all: it does nothing."""
    del app, start
    environ["wsgi.input"].read(10)
    _hang_up(environ)
    return []


def unavailable(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    del app, environ
    start("503 Slow Down", [("Content-Type", "application/xml")])
    return [b"<Error><Code>SlowDown</Code></Error>"]


def forbidden(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    del app
    start("403 Forbidden", [("Content-Type", "application/xml")])
    said = environ.get("HTTP_AUTHORIZATION", "")
    return [f"<Error><Code>SignatureDoesNotMatch</Code><Message>{said}</Message></Error>".encode()]


def unconditional(header: str) -> Fault:
    """A server that does not know a condition."""

    def fault(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        environ.pop(header, None)
        return app(environ, start)

    return fault


def no_such_page(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    del app, environ
    start("404 Not Found", [("Content-Type", "text/html")])
    return [b"<h1>Not here</h1>"]


def _hang_up(environ: dict[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
