"""The main job from a Kraken archive file to the summary, in a process of its own, as a user starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gal_friday_core.candles import Series
from gal_friday_core.market_simulator import simulate
from gal_friday_core.times import SECOND_NS, from_iso
from tests.live.metric_servers import free_port

ROOT = Path(__file__).parents[2]
BARS = 40_000
TUTORIAL_S = 280  # before what a test may take is over
PATIENCE_S = 600  # before something that never ends fails the test; on a busy machine a start takes minutes


def write_kraken_csv(path: Path) -> int:
    """An archive file as Kraken publishes it, out of a simulated market; how many rows it holds."""
    candles = simulate(Series("synthetic", "BTC/USD", "1m"), from_iso("2024-03-01"), BARS, seed=11)
    with path.open("w", encoding="ascii") as file:
        for ts, *prices, trades in zip(*(column.tolist() for column in candles.columns()), strict=True):
            file.write(f"{ts // SECOND_NS},{','.join(map(repr, prices))},{max(trades, 1)}\n")
    return len(candles)


@contextmanager
def started(arguments: list[str], home: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of ours, which outlives no test that fails; its guards end what it started."""
    env = {
        **os.environ,
        "HOME": str(home),
        "GAL_FRIDAY_DATA_DIR": str(home / "data"),
        "PYTHONPATH": str(ROOT),
    }
    env.pop("GAL_FRIDAY_DATABASE_URL", None)
    with subprocess.Popen(
        [sys.executable, "-m", "gal_friday_live.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env={**env, "GAL_FRIDAY__DAGSTER__PORT": "0", **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_using(folder: Path) -> list[str]:
    """Command lines of all processes that work in, or name, the data directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environ = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if int(entry.name) != os.getpid() and (
            str(folder) in command or f"GAL_FRIDAY_DATA_DIR={folder}" in environ
        ):
            found.append(command)
    return found


@pytest.fixture(scope="module")
def bounded_run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    rows = write_kraken_csv(home / "XBTUSD_1.csv")
    with started(["up", "--once", "--json", "--history", "XBTUSD_1.csv"], home) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    return {"home": home, "rows": rows, "out": out, "err": err, "summary": json.loads(out)}


def test_bounded_run_prints_exactly_one_json_object_with_the_promised_figures(bounded_run):
    summary = bounded_run["summary"]
    assert bounded_run["out"].count("\n") == 1
    assert summary["rows"] == bounded_run["rows"]
    assert summary["series"] == "kraken:BTC-USD:1m"
    assert summary["features"] >= 25
    assert summary["folds"] >= 2
    assert re.fullmatch(r"kraken:BTC-USD:1m@v1", summary["model_id"].removeprefix("direction:"))
    assert isinstance(summary["promoted"], bool)
    assert summary["reasons"]
    assert summary["predictions"] > 1_000
    assert summary["orders"] >= summary["fills"] / 3 > 0
    assert float(summary["final_equity"]) > 0


def test_the_verdict_of_the_certificate_is_told_with_its_page(bounded_run):
    certificate = bounded_run["summary"]["certificate"]
    said = f"{certificate['gates_passed']} of 16 gates passed"
    assert said in " ".join(bounded_run["err"].split())
    assert certificate["certified"] == (certificate["gates_passed"] == certificate["gates"] == 16)
    assert "Net equity by fold" in Path(certificate["validation_page"]).read_text()
    assert "evidence: paths" in bounded_run["err"]


def test_paper_run_and_backtest_of_the_same_stretch_end_with_the_same_equity(bounded_run):
    summary = bounded_run["summary"]
    assert summary["final_equity"] == summary["backtest_final_equity"]


def test_refused_model_trades_only_under_a_named_override(bounded_run):
    summary = bounded_run["summary"]
    assert summary["promoted"] == (summary["override"] is None)
    if not summary["promoted"]:
        assert summary["override"]["model_id"] == summary["model_id"]
        assert "refused" in summary["override"]["reason"]
        assert "refused" in bounded_run["err"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_bounded_run_leaves_no_process_behind(bounded_run):
    assert processes_using(bounded_run["home"] / "data") == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_interrupt_stops_everything_that_was_started(tmp_path):
    write_kraken_csv(tmp_path / "XBTUSD_1.csv")
    with started(["up", "--history", "XBTUSD_1.csv"], tmp_path) as process:
        deadline = time.monotonic() + PATIENCE_S
        said = tmp_path / "data" / "dashboard.json"
        while len(processes_using(tmp_path / "data")) < 4 or not said.exists():  # up, its guards and servers
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        told = json.loads(said.read_text())
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(told["url"])
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err
    assert "Stopped" in err
    assert process.returncode == 0
    assert told["token"] not in err, "a link that logs in is not for whatever keeps what is printed"
    assert processes_using(tmp_path / "data") == []
    assert not said.exists()


def test_damaged_history_ends_with_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "XBTUSD_1.csv").write_text("1709251200,1,2,0.5,1.5,10,3\n1709251260,1,2,0.5\n")
    with started(["up", "--once", "--json", "--history", "XBTUSD_1.csv"], tmp_path) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("gal-friday: ")
    assert "XBTUSD_1.csv" in last
    assert "Traceback" not in err


def test_wrong_database_url_ends_with_one_line_and_exit_code_2_and_no_password(tmp_path):
    url = "postgresql://trader:hunter2@127.0.0.1:1/gal_friday"
    with started(["up", "--once", "--json"], tmp_path, GAL_FRIDAY_DATABASE_URL=url) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert out == ""
    assert "127.0.0.1" in err.strip().splitlines()[-1]
    assert "hunter2" not in err
    assert "Traceback" not in err


def tutorial_script() -> str:
    """Every block of the tutorial that a user types, after its first, which `bounded_run` was."""
    blocks = re.findall(
        r"```sh\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert blocks[0] == "gal-friday up --once --history XBTUSD_1.csv\n"
    return "set -eux\n" + "\n".join(blocks[1:])


def test_every_command_of_the_tutorial_does_what_the_tutorial_says(bounded_run, tmp_path):
    home, port = bounded_run["home"], free_port()
    program = tmp_path / "gal-friday"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gal_friday_live.cli "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    script = (
        tutorial_script()
        .replace("exchange serve", f"exchange serve --port {port}")
        .replace("8600", str(port))
    )
    env = {
        **os.environ, "HOME": str(home), "GAL_FRIDAY_DATA_DIR": str(home / "data"), "PYTHONPATH": str(ROOT),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }  # fmt: skip
    env.pop("GAL_FRIDAY_DATABASE_URL", None)
    with (tmp_path / "said").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=home,
            env=env,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = process.wait(timeout=TUTORIAL_S)
        except subprocess.TimeoutExpired:
            ended = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the exchange, which the tutorial leaves running
        said.seek(0)
        text = said.read()
    assert ended == 0, text
    assert (home / "first" / "report.html").exists()
    assert (
        json.loads((home / "second" / "report.json").read_text())["trades"]
        != json.loads((home / "first" / "report.json").read_text())["trades"]
    )
    assert (home / "swept" / "sweep.html").exists()
    assert "HALTED: MANUAL by me: trying the button" in text
