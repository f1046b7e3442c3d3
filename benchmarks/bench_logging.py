"""What a log line and a measurement cost whoever makes them, in microseconds: healthy, and with every destination hung."""

import asyncio
import io
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from gal_friday_core.config import Config, LoggingConfig, TimeSeriesConfig
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.logger_service import LoggerService

LINES = 20_000
CONTEXT = {"trading_pair": "BTC/USD", "signal_id": "0b0f5a1e-3f1c-5d51-9a0d-3f1a7f0c6a11", "quantity": "0.05"}


class Hung(io.StringIO):
    """A console that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, text):
        self.let_go.wait()
        return super().write(text)


def measured(call) -> str:
    took = np.empty(LINES)
    for number in range(LINES):
        begun = time.perf_counter_ns()
        call()
        took[number] = time.perf_counter_ns() - begun
    p50, p99, worst = np.percentile(took, (50, 99, 100)) / 1e3
    return f"p50 {p50:6.1f}  p99 {p99:7.1f}  worst {worst:9.1f}"


async def run(folder: Path, console: io.StringIO, name: str) -> None:
    config = Config(
        logging=LoggingConfig(destinations=("console", "files"), queue=1_000_000),
        timeseries=TimeSeriesConfig(url="http://127.0.0.1:9"),
    )
    logger = LoggerService(
        ConfigurationManager.from_config(config),
        directory=folder,
        console=console,
        secrets=("a-secret-of-some-length",) * 1,
    )
    await logger.start()
    print(
        f"{name}: log line  ",
        measured(lambda: logger.log("INFO", "order sent to the exchange", "Bench", CONTEXT)),
    )
    print(
        f"{name}: measurement",
        measured(lambda: logger.log_timeseries("equity", {"mode": "paper"}, {"usd": 1.0})),
    )
    if isinstance(console, Hung):
        console.let_go.set()
    await logger.stop()
    print(f"{name}: counts     ", logger.counts())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), io.StringIO(), "healthy"))
        asyncio.run(run(Path(folder), Hung(), "hung   "))
