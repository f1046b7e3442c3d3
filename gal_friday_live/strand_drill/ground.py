"""What the drill stands on: a database server and a simulated Kraken of its own, in a folder that goes with it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.scaled_time import ScaledTime
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_core.venue.accounts import Account
from gal_friday_live.config_writing import scalar
from gal_friday_live.simulated_venue import CASH, Simulation, simulated_server

PAIRS: Final = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD")
CONFIGURATION: Final[Mapping[str, Any]] = {
    "market": {"pairs": PAIRS},
    # The shortest averages and the nearest stops there are: a trade every few bars.
    "strategy": {"id": "ema_cross"},
    "ema_cross": {"fast": 1, "slow": 2, "stop": 0.0008, "target": 0.0008},
    "risk": {
        "risk_per_trade": 0.0005, "max_spread": 0.05,
        "max_daily_drawdown": 1, "max_weekly_drawdown": 1, "max_total_drawdown": 1,
    },
    # A machine that starts several engines at once is slow: that must not be what keeps entries back here.
    "monitoring": {
        "loop_lag_s": 30, "recover_after_s": 0, "database_silence_s": 10, "halt_database_silence_s": 600, "line_down_s": 3600,
    },
    "reconciliation": {"pause_s": 0.2, "retry_s": 1},
}  # fmt: skip


def settings() -> str:
    """The configuration of every role, as YAML."""
    lines = []
    for section, values in CONFIGURATION.items():
        lines += [f"{section}:", *(f"  {name}: {scalar(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Ground:
    """The database's address, and the exchange with its own record of the one account."""

    folder: Path
    server: EmbeddedPostgres
    kraken: SimulatedKraken
    time: ScaledTime

    @property
    def database_url(self) -> str:
        return self.server.url()

    @property
    def venue_url(self) -> str:
        return self.kraken.url

    @property
    def account(self) -> Account:
        """What the exchange keeps of it: nobody in between."""
        return self.kraken.exchange.account(KEY)

    def held(self) -> dict[str, Decimal]:
        """Balances that are not nothing."""
        return {asset: amount for asset, amount in self.account.balances.items() if amount}

    async def restart_database(self) -> None:
        """Its connections are cut, and for a moment nobody answers. Raises StorageError where it does not come up again."""
        await asyncio.to_thread(self.server.stop)
        await asyncio.to_thread(self.server.start)


@asynccontextmanager
async def standing(folder: Path, *, speed: float, seed: int) -> AsyncIterator[Ground]:
    """Both, started; stopped on leaving. Raises StorageError, ExchangeError."""
    simulation = Simulation(pairs=PAIRS, speed=speed, seed=seed, funds=CASH)
    server = EmbeddedPostgres(folder / "postgres")
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(upgrade, server.url())
        venue = await asyncio.to_thread(simulated_server, simulation)
        async with venue.server as kraken:
            yield Ground(folder, server, kraken, venue.time)
    finally:
        await asyncio.to_thread(server.stop)
