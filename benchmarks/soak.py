"""Hours of `exchange serve` and `live --mode paper --venue`, as two processes at real speed, with faults on.

Every half minute both processes' resident memory and processor time are read, and what the engine says of itself. An
engine that halted is noted, and resumed as an operator would. In the end entries are halted, and the engine's books
are compared with the exchange's. Usage: soak.py [--minutes 60] [--every 30] [--faults LIST] [--out FILE.jsonl]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gal_friday_core.errors import GalFridayError  # noqa: E402 - the path comes first
from gal_friday_live.control_socket import ask, control_path  # noqa: E402
from tests.live import seeded  # noqa: E402
from tests.live.processes_world import Account  # noqa: E402

FAULTS = (
    "disconnect=0.0002,half_open=0.00002,checksum=0.0005,duplicate=0.01,sequence_gap=0.005,lost_response=0.03,"
    "accept_late=0.02,reject=0.02,rate_limit=0.005,delay=0.001"
)
MEGABYTE = 1_000_000


def settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two readings")
    parser.add_argument("--faults", default=FAULTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="each reading as a JSON line")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    return parser.parse_args()


class Said:
    """What is measured, and what happened, line by line."""

    def __init__(self, path):
        self.readings, self.events, self._path = [], [], path

    def reading(self, **values):
        self.readings.append(values)
        self._keep(values)

    def event(self, what, **details):
        self.events.append(what)
        self._keep({"event": what, **details})

    def _keep(self, values):
        if self._path is not None:
            with self._path.open("a") as lines:
                lines.write(json.dumps(values) + "\n")


def program(*arguments, env, log):
    command = [sys.executable, "-m", "gal_friday_live.cli", *map(str, arguments)]
    with log.open("ab") as errors:
        return subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, text=True, stdout=subprocess.PIPE, stderr=errors
        )


def told(process, log):
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args[3:5]} ended without a word:\n{log.read_text()[-2_000:]}")
    return json.loads(line)


def figures(process):
    with process.oneshot():
        times = process.cpu_times()
        return process.memory_info().rss / MEGABYTE, times.user + times.system


def answer(path, command, **details):
    """The engine's answer, or why there is none."""
    try:
        return asyncio.run(ask(path, command, **details)), None
    except GalFridayError as error:
        return None, str(error)


def resumed(path, status, said):
    """A halt is an operator's: look, say why, and go on where the engine lets one."""
    if not status["halted"]:
        return
    said.event("halted", reason=status["halt_reason"])
    _, refusal = answer(path, "resume", reason="looked at during the soak", who="soak")
    said.event("resumed" if refusal is None else "resume refused", refusal=refusal)


def watch(given, *, engine, exchange, path, said):
    processes = {"engine": psutil.Process(engine.pid), "exchange": psutil.Process(exchange.pid)}
    began = time.monotonic()
    while (passed := time.monotonic() - began) < given.minutes * 60:
        if engine.poll() is not None or exchange.poll() is not None:
            said.event("a process ended", engine=engine.poll(), exchange=exchange.poll())
            return
        status, refusal = answer(path, "status")
        values = {name: figures(process) for name, process in processes.items()}
        said.reading(
            seconds=round(passed, 1),
            **{f"{name}_mb": round(rss, 1) for name, (rss, _) in values.items()},
            **{f"{name}_cpu_s": round(cpu, 1) for name, (_, cpu) in values.items()},
            status=status or refusal,
        )
        if status is not None:
            resumed(path, status, said)
        time.sleep(max(0.0, given.every - (time.monotonic() - began - passed)))


def agreement(path, account, within_s=120.0):
    """Both sides' cash, coins and stops once nothing moves; the last look where they never agree."""
    until = time.monotonic() + within_s
    while True:
        books, refusal = answer(path, "positions")
        looks = None
        if books is not None:
            held = sum((Decimal(item["quantity"]) for item in books["positions"].values()), Decimal(0))
            covered = sum(
                (Decimal(item["protected_quantity"]) for item in books["positions"].values()), Decimal(0)
            )
            looks = {
                "ours": {"cash": Decimal(books["cash"]), "coins": held, "under stops": covered},
                "theirs": {
                    "cash": account.balance("ZUSD"), "coins": account.balance("XXBT"), "under stops": stops(account),
                },
            }  # fmt: skip
            if looks["ours"] == looks["theirs"] and held == covered:
                return True, looks
        if time.monotonic() > until:
            return False, looks or refusal
        time.sleep(2.0)


def stops(account):
    orders = account.open_orders().values()
    return sum(
        (Decimal(o["vol"]) - Decimal(o["vol_exec"]) for o in orders if o["descr"]["type"] == "sell"),
        Decimal(0),
    )


def every_order(account):
    """Open and ended, page by page: Kraken lists fifty at a time, the newest first."""
    found = dict(account.open_orders())
    read = 0
    while page := account.call("ClosedOrders", ofs=str(read))["closed"]:
        found |= page
        read += len(page)
    return found


def doubled(path, account):
    """Buys of one signal that the exchange has twice, and orders of ours that the engine does not know."""
    known, _ = answer(path, "orders", all=True)
    theirs = [order for order in every_order(account).values() if order.get("cl_ord_id")]
    ids = [order["cl_ord_id"] for order in theirs]
    ours = {order["client_order_id"] for order in known["orders"]}
    return {
        "seen at the exchange": len(ids),
        "doubled": sorted({one for one in ids if ids.count(one) > 1}),
        "unknown to the engine": sorted(set(ids) - ours),
    }


def main():
    given = settings()
    said = Said(given.out)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        logs = given.logs or Path(folder)
        data = Path(folder) / "data"
        env = {"GAL_FRIDAY_DATA_DIR": str(data)}
        seeded.main(data, promote=True)
        exchange = program(
            "exchange", "serve", "--port", 0, "--json", "--cash-only", "--seed", given.seed,
            "--faults", given.faults, env=env, log=logs / "exchange.log",
        )  # fmt: skip
        about = told(exchange, logs / "exchange.log")
        engine = program("live", "--venue", about["url"], "--json", env=env, log=logs / "engine.log")
        path = control_path(data)
        try:
            ready = told(engine, logs / "engine.log")
            watch(given, engine=engine, exchange=exchange, path=path, said=said)
            answer(path, "halt", reason="the soak is over", who="soak")
            account = Account(about["url"], about["key"], about["secret"])
            agreed, looks = agreement(path, account)
            orders = doubled(path, account)
            last, _ = answer(path, "status")
        finally:
            engine.terminate()
            ended = engine.stdout.read()
            engine.wait(60)
            exchange.terminate()
            exchange.wait(30)
    report(given, said, ready=ready, last=last, agreed=agreed, looks=looks, orders=orders, ended=ended)


def spread(readings, name):
    values = [reading[name] for reading in readings]
    quarter = max(len(values) // 4, 1)
    first, last = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
    return f"{values[0]:.0f} MB at first, {first:.1f} in the second quarter, {last:.1f} in the last, most {max(values):.0f}"


def report(given, said, *, ready, last, agreed, looks, orders, ended):
    readings = said.readings
    print(f"{given.minutes:g} minutes at real speed, {given.faults}")
    print(f"code {ready['code_version']}; from {ready['time']} to {last and last['time']}")
    for name in ("engine", "exchange"):
        used = readings[-1][f"{name}_cpu_s"] - readings[0][f"{name}_cpu_s"]
        share = used / max(readings[-1]["seconds"] - readings[0]["seconds"], 1)
        print(f"{name}: {spread(readings, f'{name}_mb')}; {share:.1%} of a processor")
    print(f"status at the end: {json.dumps(last)}")
    print(f"events: {json.dumps(said.events)}")
    print(f"books agree: {agreed}; {looks}")
    print(f"orders: {json.dumps(orders)}")
    print(f"ended: {ended.strip()}")


if __name__ == "__main__":
    main()
