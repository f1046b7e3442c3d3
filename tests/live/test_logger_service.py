"""The LoggerService: every line everywhere, no secret anywhere, nothing held up, nothing lost without a count."""

import asyncio
import io
import json
import logging
import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gal_friday_adapters import outbox
from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.config import Config, LoggingConfig, StorageConfig, TimeSeriesConfig
from gal_friday_core.errors import ConfigError, ContractError
from gal_friday_live import logger_service
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.ids import SequentialIds
from gal_friday_live.logger_service import LoggerService
from tests.adapters.influx_server import TOKEN, InfluxServer

NOW = 1_700_000_000_123_456_789
SECRET = "c2VjcmV0LW9mLXRoZS1leGNoYW5nZQ=="
PASSWORD = "hunter2/hunter2"


def manager(*destinations, timeseries=None, **logging_keys):
    config = Config(
        logging=LoggingConfig(destinations=destinations, **logging_keys),
        timeseries=TimeSeriesConfig(**(timeseries or {})),
        storage=StorageConfig(database_url="postgresql://ada:hunter2%2Fhunter2@db/x"),
    )
    made = ConfigurationManager.from_config(config)
    made._environ = {"KRAKEN_API_KEY": "key-of-the-exchange", "KRAKEN_API_SECRET": SECRET}
    return made


def service(config, tmp_path, bus=None, **ports):
    given = {"clock": SimulatedClock(NOW), "run": "run-1", "directory": tmp_path, "console": io.StringIO()}
    return LoggerService(config, bus, **{**given, **ports})


async def written(logger, work=lambda: None):
    await logger.start()
    work()
    await logger.stop()


@contextmanager
def hung(url):
    """The server's process for the log's connection stands still."""
    with connect(url) as connection:
        ((pid,),) = connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and application_name = 'gal-friday-log'"
        ).fetchall()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def until(look):
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(folder):
    return [json.loads(line) for line in (folder / "gal-friday.jsonl").read_text().splitlines()]


def test_a_line_reaches_console_file_and_database(tmp_path, database_url):
    console = io.StringIO()
    logger = service(
        manager("console", "files", "database"), tmp_path, console=console, database_url=database_url
    )
    asyncio.run(written(logger, lambda: logger.log("warning", "late", "DataIngestor", {"pair": "BTC/USD"})))
    assert lines(tmp_path) == [
        {
            "timestamp": "2023-11-14T22:13:20.123456789Z", "level": "WARNING", "source_module": "DataIngestor",
            "message": "late", "context": {"pair": "BTC/USD"}, "exception": None, "run": "run-1",
        }
    ]  # fmt: skip
    assert "late" in console.getvalue()
    assert "BTC/USD" in console.getvalue()
    with connect(database_url) as connection:
        stored = connection.execute("select level, message, context, run from log_entries").fetchall()
    assert stored == [("WARNING", "late", {"pair": "BTC/USD"}, "run-1")]
    assert logger.lost == 0


def test_no_secret_reaches_any_destination_by_any_way_in(tmp_path, database_url):
    console = io.StringIO()
    logger = service(
        manager("console", "files", "database"), tmp_path, console=console, database_url=database_url,
        secrets=("a-further-secret",),
    )  # fmt: skip

    def leak():
        told = f"{SECRET} {PASSWORD} key-of-the-exchange a-further-secret"
        logger.log("INFO", told, told, {told: told, "nested": [told]})
        logging.getLogger("some.module").warning("x %s", told, extra={"more": told})
        try:
            int(told)
        except ValueError:
            logger.log("ERROR", "failed", "Test", exc_info=True)

    asyncio.run(written(logger, leak))
    with connect(database_url) as connection:
        stored = str(connection.execute("select log_entries::text from log_entries").fetchall())
    for text in (console.getvalue(), (tmp_path / "gal-friday.jsonl").read_text(), stored):
        assert text.count("failed") >= 1
        for secret in (SECRET, PASSWORD, "key-of-the-exchange", "a-further-secret"):
            assert secret not in text


def test_levels_below_the_configured_one_are_not_written(tmp_path):
    logger = service(manager("files", level="WARNING"), tmp_path)

    def work():
        for level in ("DEBUG", "INFO", "warn", "error", "FATAL", "odd"):
            logger.log(level, level, "Test")

    asyncio.run(written(logger, work))
    assert [(line["message"], line["level"]) for line in lines(tmp_path)] == [
        ("warn", "WARNING"), ("error", "ERROR"), ("FATAL", "CRITICAL"), ("odd", "ERROR"),
    ]  # fmt: skip


def test_the_standard_librarys_loggers_arrive_with_context_and_traceback(tmp_path):
    logger = service(manager("files"), tmp_path)
    before = logging.getLogger().level

    def work():
        held = {"inner": "local-" + "value"}
        try:
            held["missing"]
        except KeyError:
            logging.getLogger("gal_friday_live.tasks").exception(
                "task %s failed", "x", extra={"pair": "BTC/USD"}
            )
        logger._bridge.emit(
            logging.makeLogRecord({"name": "odd", "levelno": 31, "msg": "%d", "args": ("x",)})
        )

    asyncio.run(written(logger, work))
    first, second = lines(tmp_path)
    assert (first["level"], first["source_module"], first["message"]) == (
        "ERROR", "gal_friday_live.tasks", "task x failed",
    )  # fmt: skip
    assert first["context"] == {"pair": "BTC/USD"}
    assert "KeyError: 'missing'" in first["exception"]
    assert "local-value" not in first["exception"]
    assert second["message"].startswith("%d (its arguments do not fit")
    assert logging.getLogger().level == before
    assert not any(isinstance(handler, logger_service.LogBridge) for handler in logging.getLogger().handlers)


def test_a_log_entry_on_the_bus_is_written_once_and_nothing_is_published_for_it(tmp_path):
    async def run():
        clock = SimulatedClock(NOW)
        bus = PubSubManager(clock, SequentialIds())
        logger = service(manager("files"), tmp_path, bus, clock=clock)
        await logger.start()
        entry = {"level": "ERROR", "message": "from afar", "context": {"pair": "BTC/USD"}}
        await bus.publish("LOG_ENTRY", entry, source="RiskManager")
        delivered = bus.delivered
        await logger.handle_log_event(
            {"source_module": "Spec", "payload": {"level": "INFO", "message": "direct"}}
        )
        with pytest.raises(ContractError):
            await logger.handle_log_event({"payload": {"level": "LOUD", "message": "x"}})
        await logger.stop()
        await bus.publish("LOG_ENTRY", entry)
        return delivered

    assert asyncio.run(run()) == 1
    assert [(line["source_module"], line["message"]) for line in lines(tmp_path)] == [
        ("RiskManager", "from afar"), ("Spec", "direct"),
    ]  # fmt: skip


def test_a_hanging_destination_holds_nobody_up_and_what_it_lost_is_counted_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(logger_service, "CLOSE_WITHIN_S", 0.05)

    class Hanging(io.StringIO):
        def __init__(self):
            super().__init__()
            self.asked = threading.Event()
            self.release = threading.Event()

        def write(self, text):
            self.asked.set()
            assert self.release.wait(20)
            return super().write(text)

    console = Hanging()
    logger = service(manager("console", "files", queue=100), tmp_path, console=console)

    async def run():
        await logger.start()
        logger.log("INFO", "first", "Test")
        assert await asyncio.to_thread(console.asked.wait, 20)
        for number in range(500):
            logger.log("INFO", str(number), "Test")
            if number % 50 == 0:
                await asyncio.sleep(0)
        held = logger.counts()["console"]
        await logger.stop()
        return held

    held = asyncio.run(run())
    assert (held["waiting"], held["dropped"]) == (100, 401)
    counts = logger.counts()
    assert counts["console"]["offered"] == counts["console"]["dropped"] >= 501
    assert counts["files"]["written"] + counts["files"]["dropped"] == 501
    console.release.set()


def test_a_database_that_hangs_holds_up_neither_the_engine_nor_the_file(tmp_path, monkeypatch, database_url):
    monkeypatch.setattr(logger_service, "CLOSE_WITHIN_S", 0.5)
    logger = service(manager("files", "database"), tmp_path, database_url=database_url)
    table = logger._outboxes[1]

    async def run():
        await logger.start()
        logger.log("INFO", "before", "Test")
        await asyncio.to_thread(until, lambda: table.counts.written)
        with hung(database_url):
            for number in range(50):
                logger.log("INFO", str(number), "Test")
            await logger.stop()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert len(lines(tmp_path)) == 51
    assert table.counts.dropped == 50


def test_a_console_that_was_closed_is_reported_in_the_file(tmp_path):
    console = io.StringIO()
    console.close()
    logger = service(manager("console", "files"), tmp_path, console=console)

    async def run():
        await logger.start()
        logger.log("INFO", "hello", "Test")
        console_box, file_box = logger._outboxes
        assert await asyncio.to_thread(console_box.close, 20)  # rejected, so nothing waits
        assert file_box.counts.offered == 2
        await logger.stop()

    asyncio.run(asyncio.wait_for(run(), 20))
    assert [line["message"].split(": ")[0:2] for line in lines(tmp_path)] == [
        ["hello"],
        ["console", "1 rejected"],
    ]
    assert logger.lost == 1


def test_what_the_logs_own_threads_log_never_feeds_itself(tmp_path):
    class Chatty(io.StringIO):
        def __init__(self):
            super().__init__()
            self.wrote = threading.Event()

        def write(self, text):
            logging.getLogger("chatty").error("wrote %d", len(text))
            self.wrote.set()
            return super().write(text)

    console = Chatty()
    logger = service(manager("console", "files"), tmp_path, console=console)

    async def run():
        await logger.start()
        logger.log("INFO", "once", "Test")
        assert await asyncio.to_thread(console.wrote.wait, 20)
        await logger.stop()

    asyncio.run(run())
    assert [line["message"] for line in lines(tmp_path)] == ["once"]
    assert logger._bridge.suppressed == 1


def test_time_series_reach_the_sink_with_exact_times(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, "PAUSES_S", (0.01,))
    monkeypatch.setattr(logger_service, "CLOSE_WITHIN_S", 60.0)  # the client is loaded with the first points
    with InfluxServer() as server:
        logger = service(manager(timeseries={"url": server.url, "token": TOKEN}), tmp_path)

        def work():
            east = timezone(timedelta(hours=2))
            logger.log_timeseries("equity", {"mode": "paper"}, {"usd": 1.5})
            logger.log_timeseries("equity", {}, {"usd": 2}, datetime(2024, 3, 1, 2, 0, 0, 1, tzinfo=east))
            logger.log_timeseries("equity", {}, {"usd": 3}, datetime(2024, 3, 1, 0, 0, 0, 1))  # noqa: DTZ001 - a time without a zone
            logger.emit("lag", {}, {"ns": 1}, 7)

        asyncio.run(written(logger, work))
        moment = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp()) * 10**9 + 1_000
        assert server.lines == [
            f"equity,mode=paper usd=1.5 {NOW}", f"equity usd=2i {moment}", f"equity usd=3i {moment}", "lag ns=1i 7",
        ]  # fmt: skip
        assert logger.counts()["timeseries"]["written"] == 4


def test_without_a_sink_time_series_go_nowhere_and_nothing_fails(tmp_path):
    logger = service(manager("files"), tmp_path)
    logger.log_timeseries("equity", {}, {"usd": 1})
    assert "timeseries" not in logger.counts()


def test_a_database_destination_without_a_database_is_refused(tmp_path):
    config = ConfigurationManager.from_config(Config(logging=LoggingConfig(destinations=("database",))))
    with pytest.raises(ConfigError, match=r"logging\.destinations"):
        LoggerService(config, directory=tmp_path)


def test_lines_logged_before_the_start_are_written_after_it(tmp_path):
    logger = service(manager("files"), tmp_path)
    logger.log("INFO", "early", "Test")
    asyncio.run(written(logger))
    assert [line["message"] for line in lines(tmp_path)] == ["early"]
