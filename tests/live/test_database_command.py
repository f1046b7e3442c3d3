"""`gal-friday database serve`: one embedded server for several processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.cli import app
from tests.bounded import PATIENCE_S, line_of

Server = Callable[[], tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Server]":
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    begun: list[subprocess.Popen[str]] = []

    def begin() -> tuple["subprocess.Popen[str]", str]:
        command = [sys.executable, "-m", "gal_friday_live.cli", "database", "serve", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        begun.append(process)
        assert process.stdout is not None
        return process, json.loads(line_of(process.stdout))["url"]

    yield begin
    for process in begun:
        process.terminate()
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()


def serve(*arguments: str) -> None:
    raise CliRunner().invoke(app, ["database", "serve", *arguments]).exception or AssertionError("it served")


def test_it_serves_a_migrated_database_until_it_is_told_to_end(serving: Server) -> None:
    process, url = serving()
    with connect(url) as connection:
        assert connection.execute("select count(*) from strand_protocol").fetchone() == (1,)
    with pytest.raises(StorageError, match=r"another process serves .* already, at postgresql://"):
        serve()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    with pytest.raises(StorageError), connect(url):
        pass


def test_a_server_that_dies_ends_it_with_where_to_look(
    serving: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    process, url = serving()
    with connect(url) as connection:
        (folder,) = connection.execute("show data_directory").fetchone() or ("",)
    os.kill(int((Path(folder) / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert process.wait(PATIENCE_S) == 2
    assert "has ended by itself; its log says why" in capfd.readouterr().err


def test_with_a_server_of_ones_own_there_is_nothing_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAL_FRIDAY__STORAGE__DATABASE_URL", "postgresql://desk@db.internal/gal_friday")
    with pytest.raises(ConfigError, match="names a server already"):
        serve()
