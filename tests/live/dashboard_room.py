"""A dashboard beside a test: its own server at a free port, and an engine that says what the test wants."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from gal_friday_core.config import Config
from gal_friday_core.recovery import Resumption
from gal_friday_live.cli_service import CLIService
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.dashboard.link import read_link
from gal_friday_live.dashboard.server import running

OVERVIEW = {
    "engine": {
        "mode": "paper", "session": "5e551017", "run": "1", "code_version": "test", "recorded": False, "state": "ACTIVE",
        "halted": False, "halt_reason": None, "halt_durable": True, "blocks": [], "blocked_by": None, "findings": [],
        "time": "2026-03-01T12:00:00.000000000Z", "series": ["kraken:BTC-USD:1m"], "models": ["m@v1"], "override": None,
        "connected": True, "line_losses": 0,
    },
    "counts": {"bars": 10, "predictions": 9, "proposed": 2, "approved": 1, "rejected": 1, "rejected_by": {"STALE": 1},
               "orders": 1, "open_orders": 1, "unknown_orders": 0, "fills": 1},
    "market": {"BTC/USD": {"listing": "online", "fault": ""}},
    "bus": {"delivered": 100, "waiting": 0, "deepest": 2, "dropped": 0, "superseded": 0, "failed": 0,
            "handler_p50_ns": 4_000, "handler_p99_ns": 90_000,
            "handlers": {"MARKET_DATA_OHLCV": {"p50_ns": 4_000, "p99_ns": 90_000}}},
    "health": {"loop_lag_s": 0.001, "memory_mb": 200.0, "free_disk_mb": 9_000.0, "clock_offset_s": 0.0},
    "account": {"currency": "USD", "equity": "10000.00", "cash": "7500.00", "exposure": "0.25", "realized_pnl": "0",
                "unrealized_pnl": "12.5", "fees": "3.25", "daily_drawdown": "0.01", "weekly_drawdown": "0.01",
                "total_drawdown": "0.01"},
    "positions": {"BTC/USD": {"quantity": "0.05", "average_entry_price": "50000", "price": "50250",
                              "market_value": "2512.50", "unrealized_pnl": "12.50", "protected_quantity": "0.05"}},
    "orders": [],
    "risk": {"equity": "10000", "cash_free": "7500", "stop_loss": "25", "sides": {}, "limits": {
        "max_total_exposure": {"name": "max_total_exposure", "scope": "", "unit": "fraction", "value": "0.25",
                               "limit": "0.75", "used": 0.333},
        "max_daily_drawdown": {"name": "max_daily_drawdown", "scope": "", "unit": "fraction", "value": "0.04",
                               "limit": "0.05", "used": 0.8},
    }},
}  # fmt: skip
MEASURED = {
    "labels": {"mode": "paper"},
    "readings": {
        "gal_friday_loop": {"lag_p99_seconds": 0.004},
        "gal_friday_engine": {"uptime_seconds": 75.0, "bars_total": 10.0},
    },
}


class ToldEngine:
    """Answers as an engine does, with what `overview` holds; keeps what it was asked to do."""

    def __init__(self):
        self.overview_told = OVERVIEW
        self.heard = []
        self.refusal = Resumption()
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def trigger_halt(self, reason, halt_action):
        self.heard.append(("halt", reason))
        told = {**self.overview_told["engine"], "state": "HALTED", "halted": True, "halt_reason": reason}
        self.overview_told = {**self.overview_told, "engine": told}

    async def trigger_resume(self, reason, who):
        self.heard.append(("resume", reason, who))
        if self.refusal.resumed:
            self.overview_told = OVERVIEW
        return self.refusal

    async def overview(self):
        await self.hangs.wait()
        return self.overview_told

    def metrics(self):
        return MEASURED

    def status(self):
        return {"trading": self.overview_told["engine"]["state"]}


@dataclass
class Room:
    """Where it is served, by which configuration, and what a browser knows after it logged in."""

    manager: ConfigurationManager
    url: str
    engine: ToldEngine
    door: ControlSocket

    @property
    def link(self):
        return read_link(self.manager.config).link

    def client(self, **options):
        return httpx.AsyncClient(base_url=self.url, timeout=30, **options)

    @asynccontextmanager
    async def logged_in(self):
        """A browser with a session, and its token against forged requests."""
        async with self.client() as client:
            assert (await client.get(self.link)).status_code == 303
            page = (await client.get("/")).text
            client.csrf = page.partition('name="csrf" content="')[2].partition('"')[0]
            yield client

    async def until(self, holds, what="metrics"):
        """The dashboard's numbers, once they are as wanted."""
        async with asyncio.timeout(60), self.logged_in() as client:
            while not holds(told := (await client.get("/api/metrics")).json()):  # noqa: ASYNC110 - asked over http
                await asyncio.sleep(0.02)
        return told


def manager_at(folder, **sections):
    dashboard = {"port": 0, "updates_per_s": 20, **sections.pop("dashboard", {})}
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": folder / "data"}, "dashboard": dashboard, **sections})
    )


@asynccontextmanager
async def room(folder, *, served=True, **sections):
    """A dashboard that listens, and, where `served`, the engine that it asks."""
    manager, engine = manager_at(folder, **sections), ToldEngine()
    data_dir = manager.config.storage.data_dir
    data_dir.mkdir(mode=0o700, parents=True)
    door = ControlSocket(control_path(data_dir), CLIService(manager, engine, engine).answer)
    async with running(manager) as (address, _):
        if served:
            await door.open()
        try:
            yield Room(manager, address.url, engine, door)
        finally:
            engine.hangs.set()
            await door.close()
