"""Real servers of time series on loopback, as Debian packages them; whoever has none skips."""

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.bounded import joined

UP_WITHIN_S = 60
INFLUX_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
[logging]
  level = "error"
"""


def program(name, package):
    """Its path, or the test is skipped: CI installs it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: apt-get install {package}")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, **query):
    """A GET's answer as JSON, or the text of a server's refusal as an AssertionError."""
    asked = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code}: {error.read().decode()[:500]} for {query}") from None


def post(url, body=b"", kind="text/plain"):
    """Its status."""
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def until_up(url, process):
    end = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)  # between two looks
    raise AssertionError(f"nothing answers at {url}")


@contextmanager
def running(command, url):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_up(url, process)
            yield
        finally:
            process.kill()


@contextmanager
def victoria_metrics(folder):
    """Its address. It takes version 2 writes and speaks PromQL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        program("victoria-metrics", "victoria-metrics"), f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-search.latencyOffset=0s",
    ]  # fmt: skip
    with running(command, f"{url}/health"):
        yield url


@contextmanager
def influxdb(folder):
    """Addresses: one that takes version 2 writes and hands them on as what version 1 knows, and the server's own."""
    port = free_port()
    config = folder / "influxdb.conf"
    config.write_text(INFLUX_CONFIG.format(folder=folder, port=port, rpc=free_port()))
    url = f"http://127.0.0.1:{port}"
    command = [program("influxd", "influxdb"), "run", "-config", str(config)]
    with running(command, f"{url}/ping"), shim(url) as front:
        yield front, url


@contextmanager
def shim(behind):
    """`/api/v2/write` as version 1's `/write`: the body as it is, a database for the bucket."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = urllib.request.Request(
                f"{behind}/write?db={asked['bucket'][0]}&precision={asked['precision'][0]}",
                body,
                method="POST",
            )
            if self.headers.get("Content-Encoding"):
                request.add_header("Content-Encoding", self.headers["Content-Encoding"])
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    status, told = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, told = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        joined(thread)
