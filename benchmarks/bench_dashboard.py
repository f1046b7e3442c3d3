"""What the dashboard costs: `python benchmarks/bench_dashboard.py [--seconds 20] [--pages 3]`.

A dashboard process asks an engine's door (in another process, with numbers that change) ten times a second, and as many
browsers as asked for watch. Printed: CPU of the dashboard's process as a share of a core, with and without Chromium
watching, its memory, and Chromium's first paint. Exit code 1 when a promise does not hold: first paint within a second,
at most 2 % of a core at ten updates a second.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import websockets
from playwright.async_api import async_playwright

from gal_friday_core.config import Config
from gal_friday_core.errors import StorageError
from gal_friday_live.cli_service import CLIService
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.dashboard.link import read_link
from gal_friday_live.dashboard.server import serve
from tests.live.chromium import FOUND, QUIET
from tests.live.dashboard_room import OVERVIEW, ToldEngine

UPDATES = 10
MOST_SHARE = 0.02
MOST_PAINT_MS = 1_000


def manager_of(folder):
    settings = {"storage": {"data_dir": folder}, "dashboard": {"port": 0, "updates_per_s": UPDATES}}
    return ConfigurationManager.from_config(Config.model_validate(settings))


class Changing(ToldEngine):
    """Another equity at every look, and as many limits and positions as an account with five pairs has."""

    def __init__(self):
        super().__init__()
        self.looks = 0
        held, limit = OVERVIEW["positions"]["BTC/USD"], OVERVIEW["risk"]["limits"]["max_total_exposure"]
        pairs = ("BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD", "XRP/USD")
        limits = {f"max_pair_exposure {pair}": {**limit, "scope": pair} for pair in pairs}
        self.rest = {
            **OVERVIEW,
            "positions": dict.fromkeys(pairs, held),
            "risk": {**OVERVIEW["risk"], "limits": {**OVERVIEW["risk"]["limits"], **limits}},
        }

    async def overview(self):
        self.looks += 1
        return {**self.rest, "account": {**self.rest["account"], "equity": str(10_000 + self.looks / 100)}}


def engine(folder):
    async def run():
        manager, told = manager_of(folder), Changing()
        async with ControlSocket(control_path(folder), CLIService(manager, told, told).answer):
            await asyncio.Event().wait()

    asyncio.run(run())


def dashboard(folder):
    asyncio.run(serve(manager_of(folder), announce=lambda _: None, stop=asyncio.Event()))


async def measured(process, seconds):
    """Share of a core over the time given."""
    before, began = process.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.monotonic() - began)


async def listen(url, cookie, counted):
    async with websockets.connect(
        url.replace("http", "ws") + "/live", origin=url, additional_headers={"Cookie": cookie}
    ) as line:
        async for message in line:
            counted.append(len(message))


async def run(folder, seconds, pages):
    manager, process = manager_of(folder), None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            address = read_link(manager.config)
        except StorageError:  # it is starting
            await asyncio.sleep(0.1)
        else:
            break
    process = next(child for child in psutil.Process().children() if child.pid == PIDS["dashboard"])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=FOUND, args=list(QUIET))
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(read_link(manager.config).link)
        paints = []
        for _ in range(5):
            await page.goto(address.url)
            await page.wait_for_selector("#state .good")  # live: painted long before
            paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            paints.append(await page.evaluate(paint))
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in await context.cookies())
        await browser.close()
    unwatched = await measured(process, seconds)
    counted = []
    listeners = [asyncio.create_task(listen(address.url, cookie, counted)) for _ in range(pages)]
    await asyncio.sleep(2)
    counted.clear()
    watched = await measured(process, seconds)
    rate = len(counted) / pages / seconds
    for listener in listeners:
        listener.cancel()
    memory = process.memory_info().rss / 1e6
    print(
        f"first paint            {sorted(paints)[len(paints) // 2]:.0f} ms (median of 5; worst {max(paints):.0f} ms)"
    )
    print(f"nobody watches         {unwatched:.2%} of a core")
    print(
        f"{pages} pages watch          {watched:.2%} of a core at {rate:.1f} updates/s, {sum(counted) / len(counted):.0f} bytes each"
    )
    print(f"memory                 {memory:.0f} MB")
    return watched <= MOST_SHARE and max(paints) <= MOST_PAINT_MS


PIDS = {}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pages", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "data"
        folder.mkdir(mode=0o700)
        starting = multiprocessing.get_context("spawn")
        children = [
            starting.Process(target=target, args=(folder,), daemon=True) for target in (engine, dashboard)
        ]
        for child in children:
            child.start()
        PIDS["dashboard"] = children[1].pid
        try:
            holds = asyncio.run(run(folder, arguments.seconds, arguments.pages))
        finally:
            for child in children:
                child.terminate()
                child.join(10)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
