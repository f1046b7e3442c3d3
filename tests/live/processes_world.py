"""The world of the kill tests: `exchange serve` and `live` as processes, an account that is asked directly, a model."""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_core import artifact
from gal_friday_core.config import Config, StorageConfig
from gal_friday_core.errors import GalFridayError
from gal_friday_core.features.drivers import REACH
from gal_friday_core.kraken.signing import sign
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ask, control_path
from gal_friday_live.model_registry import ModelRegistry
from tests.live import world

ROOT = Path(__file__).parents[2]
GIVE_UP_S = 90.0
"""No test waits for less than this: it is for machines that are slow, and bounds how long a broken test takes."""
LOOK_EVERY_S = 0.1
SPEED = 20
"""Seconds of the market in one of ours: a bar closes every three seconds."""
RISE = 0.001
"""Of the price in a bar: what is bought near its target reaches it soon."""


def wait_for(what, look, every_s=LOOK_EVERY_S):
    """The first true answer of `look`, asked again and again."""
    deadline = time.monotonic() + GIVE_UP_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {GIVE_UP_S:g} s")
        time.sleep(every_s)
    return found


def environment(folder):
    """Ours. Half of a start is compiling: where bytecode is kept nowhere, the processes of a test session share some."""
    kept = dict(os.environ)
    if kept.pop("PYTHONDONTWRITEBYTECODE", None):
        kept["PYTHONPYCACHEPREFIX"] = str(folder.parent / "bytecode")
    return kept


class Process:
    """One `gal-friday` process. Its standard output is read as JSON lines, its standard error kept in a file."""

    def __init__(self, module, arguments, log, env):
        self.log = log
        with log.open("ab") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", *module, *map(str, arguments)],
                cwd=ROOT, env=environment(log.parent) | env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._popen.stdout:
            self._lines.put(line)
        self._popen.stdout.close()
        self._lines.put(None)

    def told(self):
        """The next JSON line."""
        try:
            line = self._lines.get(timeout=GIVE_UP_S)
        except queue.Empty:
            line = None
        if line is None:
            raise AssertionError(f"the process ended or said nothing:\n{self.last_words()}")
        return json.loads(line)

    def stands_still(self):
        """Return once the process has stopped itself."""

        def look():
            flags = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
            change = os.waitid(os.P_PID, self._popen.pid, flags)
            if change is not None and change.si_code != os.CLD_STOPPED:
                raise AssertionError(f"the process ended before its moment came:\n{self.last_words()}")
            return change

        wait_for("the moment", look)

    def kill(self):
        """`kill -9`, and wait until it is gone."""
        self._popen.send_signal(signal.SIGKILL)
        self._popen.wait(GIVE_UP_S)

    def signal(self, number):
        self._popen.send_signal(number)

    def end(self):
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGCONT)
            self._popen.terminate()
            try:
                self._popen.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def returncode(self):
        return self._popen.wait(GIVE_UP_S)

    def last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


class Account:
    """The demo account, asked by a client that shares nothing with the engine but the signature."""

    def __init__(self, url, key, secret):
        self._url, self._key, self._secret = url, key, secret

    def call(self, method, **fields):
        """The result, once the account's rate limit, which the engine shares, lets it through."""

        def look():
            told = self._told(method, fields)
            if told["error"] == ["EAPI:Rate limit exceeded"]:
                return None
            assert not told["error"], f"{method}: {told['error']}"
            return [told["result"]]

        return wait_for(method, look, every_s=0.5)[0]

    def _told(self, method, fields):
        path = f"/0/private/{method}"
        fields = {"nonce": str(time.time_ns()), **fields}
        body = urllib.parse.urlencode(fields).encode()
        headers = {"API-Key": self._key, "API-Sign": sign(path, fields["nonce"], body, self._secret)}
        request = urllib.request.Request(self._url + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def balance(self, asset):
        return Decimal(self.call("Balance").get(asset, "0"))

    def orders(self):
        """Every order there ever was, by the exchange's id."""
        return self.call("OpenOrders")["open"] | self.call("ClosedOrders")["closed"]

    def open_orders(self):
        return self.call("OpenOrders")["open"]

    def every_order(self):
        """As `orders`, where there may be more than one page of those that ended."""
        found, ended = dict(self.open_orders()), 0
        while page := self.call("ClosedOrders", ofs=str(ended))["closed"]:
            found |= page
            ended += len(page)
        return found

    def trades(self):
        return self.call("TradesHistory")["trades"]

    def sell_all(self, asset, pair):
        """So that an engine begins with cash alone."""
        self.call("AddOrder", pair=pair, type="sell", ordertype="market", volume=str(self.balance(asset)))
        wait_for(f"selling {asset}", lambda: not self.open_orders())


def candle_file(folder):
    """Six thousand minutes in Kraken's own format; from where the market begins, prices rise by RISE a bar."""
    candles = world.market()
    path = folder / "XBTUSD_1.csv"
    rises = np.exp(np.maximum(np.arange(len(candles)) - REACH, 0) * RISE)
    prices = (
        (column * rises).round(1) for column in (candles.open, candles.high, candles.low, candles.close)
    )
    columns = (candles.ts // 10**9, *prices, candles.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    path.write_text("".join(f"{','.join(map(str, row))},7\n" for row in rows))
    return path


def serve(folder, *, faults="", speed=SPEED, spawn=Process):
    """A simulated Kraken over those candles, and its account without coins."""
    arguments = [
        "exchange",
        "serve",
        "--port",
        0,
        "--json",
        "--candles",
        candle_file(folder),
        "--speed",
        speed,
    ]
    process = spawn(
        ["gal_friday_live.cli"],
        [*arguments, "--faults", faults] if faults else arguments,
        folder / "exchange.log",
        {},
    )
    about = process.told()
    account = Account(about["url"], about["key"], about["secret"])
    return process, account, about["url"]


WIDE = {"min_width": 0.5, "max_width": 0.6}
"""Trades that end neither by target, nor by stop, nor by time while a test runs."""
NEAR_TARGET = {"target_volatility": 1e-6, "stop_volatility": 1e6, "min_width": 0.001, "max_width": 0.5}
"""Trades whose target the market's next moves reach, and whose stop they do not."""


def model(barriers):
    """The world's model with other barriers."""
    files = dict(world.files(seed=3, threshold=0.5, horizon=10_000))
    metadata = json.loads(files[artifact.METADATA])
    metadata["barriers"] |= barriers
    del files[artifact.MANIFEST]
    return artifact.seal({**files, artifact.METADATA: artifact.to_json(metadata)})


def register(database_url, data_dir, files):
    """The id of a model, in stage development."""
    manager = ConfigurationManager.from_config(Config(storage=StorageConfig(data_dir=data_dir)))

    async def conversation():
        async with Database(database_url) as database:
            store = ArtifactStore(artifacts_dir(manager.config))
            return await ModelRegistry(manager, database, artifacts=store).register_model(files, {})

    return asyncio.run(conversation())


class Engines:
    """Starts engines of one account, one after another, on one database.

    `spawn` makes a process of them, `settings` are environment variables for each.
    """

    def __init__(self, folder, database_url, venue, *, spawn=Process, settings=None):
        self._spawn = spawn
        self._folder = folder
        self._data_dir = folder / "data"
        self._venue = venue
        self._env = {
            "GAL_FRIDAY_DATA_DIR": str(self._data_dir),
            "GAL_FRIDAY_DATABASE_URL": database_url,
            **(settings or {}),
        }
        self._register = partial(register, database_url, self._data_dir)
        self._models = {}
        self._started = []

    def _model(self, barriers):
        key = json.dumps(barriers)
        if key not in self._models:
            self._models[key] = self._register(model(barriers))
        return self._models[key]

    def start(self, moment=None, *, enters=True, deadline_s=2, barriers=WIDE, data_dir=None):
        """An engine that enters at every bar without a position, or one that never does.

        `deadline_s` is how late an order may reach the exchange, in our own seconds; `data_dir` a folder of its
        own instead of that of the others.
        """
        module = ["gal_friday_live.cli"] if moment is None else ["tests.live.processes_engine", moment]
        arguments = [
            "live", "--mode", "paper", "--venue", self._venue, "--json", "--model", self._model(barriers),
            "--override-reason", "a test of what a kill leaves behind", "--entry-threshold", 0 if enters else 1,
        ]  # fmt: skip
        log = self._folder / f"engine-{len(self._started)}.log"
        env = self._env | {"GAL_FRIDAY__EXCHANGE__ORDER_DEADLINE_S": str(deadline_s)}
        if data_dir is not None:
            env["GAL_FRIDAY_DATA_DIR"] = str(data_dir)
        process = self._spawn(module, arguments, log, env)
        self._started.append(process)
        return process

    @property
    def control(self):
        """Where an operator asks the engine."""
        return control_path(self._data_dir)

    def ask(self, command, **details):
        return asyncio.run(ask(self.control, command, **details))

    def try_ask(self, command, **details):
        """The answer, or the one line of its refusal."""
        try:
            return self.ask(command, **details), None
        except GalFridayError as error:
            return None, str(error)

    def unblocked(self):
        """The status, once nothing keeps entries back."""

        def look():
            status, _ = self.try_ask("status")
            return status if status is not None and not status["blocks"] else None

        return wait_for("an engine that nothing keeps back", look)

    def end(self):
        for process in self._started:
            process.end()
