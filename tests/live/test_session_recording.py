import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.sessions.part import Rotation
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import CLOSE, CONNECT, encode
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, DataError, ExchangeError, StorageError
from gal_friday_live.cli import app
from gal_friday_live.clock import SystemClock
from gal_friday_live.commands.feed_record import _wanted
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.session_recording import Progress, Wanted, record
from tests.adapters.kraken.local_kraken import local_kraken
from tests.adapters.sessions.captures import save, trade_session
from tests.live.metric_servers import free_port


@pytest.fixture
def manager() -> ConfigurationManager:
    manager = ConfigurationManager(None)
    manager.load_config()
    return manager


def wanted(url: str) -> Wanted:
    series = [Series("kraken", "BTC/USD", "1m")]
    return Wanted(series=series, channels=("book", "trade", "ohlc"), url=url, rotation=Rotation())


async def recorded(manager: ConfigurationManager, folder: Path, scenario) -> Progress:
    stop = asyncio.Event()
    async with local_kraken(SystemClock()) as (venue, url):
        recording = asyncio.ensure_future(record(manager, wanted(url), folder, stop=stop))
        await scenario(venue)
        stop.set()
        return await recording


async def changes(venue, count: int) -> None:
    """Move the market; Kraken's line is up once it has been asked for the book."""
    async with asyncio.timeout(120):  # the first run may have to compile the book
        while not any(("ohlc", "BTC/USD") in asked for asked in venue.subscribed.values()):  # noqa: ASYNC110 - it does not tell
            await asyncio.sleep(0.005)
    for _ in range(count):
        await venue.change("BTC/USD")
        await venue.trade("BTC/USD")
    await asyncio.sleep(0.2)  # until what was sent has come


def test_a_recorded_market_verifies_and_rebuilds_from_the_command_line(
    manager: ConfigurationManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.run(recorded(manager, tmp_path / "session", lambda venue: changes(venue, 20)))
    assert (done.recorded.dropped, done.recorded.failure, done.recorded.parts) == (0, None, 1)
    assert done.feed["checksum_failures"] == 0
    records = list(Session(tmp_path / "session"))
    assert (records[0].kind, records[-1].kind, len(records)) == (CONNECT, CLOSE, done.recorded.written)

    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    checked = CliRunner().invoke(app, ["feed", "verify", str(tmp_path / "session"), "--json"])
    assert (checked.exit_code, json.loads(checked.stdout)["checksum_failures"]) == (0, 0)
    rebuilt = CliRunner().invoke(app, ["feed", "rebuild", str(tmp_path / "session"), "--json"])
    assert rebuilt.exit_code == 0
    (session,) = json.loads(rebuilt.stdout.splitlines()[0])["sessions"]
    assert session["book_updates"] == done.feed["book_updates"] + done.feed["snapshots"] >= 21
    assert session["trades"] == done.feed["trades"]
    assert (session["pairs"], session["damage"], session["changed"]) == (["BTC/USD"], [], True)


def test_a_lost_line_is_made_anew_and_the_session_goes_on(
    manager: ConfigurationManager, tmp_path: Path
) -> None:
    async def scenario(venue) -> None:
        await changes(venue, 3)
        venue.drop()
        await asyncio.sleep(0.05)
        await changes(venue, 3)

    done = asyncio.run(recorded(manager, tmp_path, scenario))
    kinds = [record.kind for record in Session(tmp_path)]
    assert (kinds.count(CONNECT), kinds.count(CLOSE), done.feed["losses"]) == (2, 2, 1)


class Nowhere:
    async def connect(self, url, listener):
        raise ExchangeError("nobody there")


async def never_reached(manager: ConfigurationManager, folder: Path) -> None:
    await record(manager, wanted("ws://nowhere"), folder, stop=asyncio.Event(), transport=Nowhere())


def test_an_exchange_that_is_not_there_ends_the_recording_with_what_to_check(
    manager: ConfigurationManager, tmp_path: Path
) -> None:
    with pytest.raises(ExchangeError, match="check the network"):
        asyncio.run(never_reached(manager, tmp_path))
    assert {item.kind for item in Session(tmp_path)} == {CONNECT, CLOSE}


def test_a_recording_that_is_over_before_anything_came_is_an_error(tmp_path: Path) -> None:
    port = free_port()
    ran = CliRunner().invoke(
        app, ["feed", "record", "--url", f"ws://127.0.0.1:{port}/v2", "--pair", "BTC/USD", "--seconds", "0.2",
              "--out", str(tmp_path / "session")],
    )  # fmt: skip
    assert ran.exit_code != 0
    assert isinstance(ran.exception, ExchangeError)
    assert f"nothing was received from ws://127.0.0.1:{port}/v2" in str(ran.exception)


def test_a_folder_that_cannot_be_written_ends_it_at_once(
    manager: ConfigurationManager, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot record"):
        asyncio.run(never_reached(manager, tmp_path / "file" / "session"))


def test_channels_and_pairs_are_checked_before_anything_is_opened() -> None:
    assert [item.pair for item in _wanted("1m", ["XBT/USD", "BTC/USD", "ETH/EUR"], None, None).series] == [
        "BTC/USD",
        "ETH/EUR",
    ]
    with pytest.raises(ConfigError, match="no channel 'level3'"):
        _wanted("1m", ["BTC/USD"], ["level3"], None)
    with pytest.raises(DataError):
        _wanted("1m", ["bitcoin"], None, None)


@pytest.mark.data
def test_rebuild_says_what_it_found_to_people_too(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    path = save(trade_session(shared_data)[:300], tmp_path / "cut.jsonl")
    path.write_bytes(path.read_bytes()[:-4])
    shown = CliRunner().invoke(app, ["feed", "rebuild", str(path)])
    assert shown.exit_code == 0
    assert shown.stdout == ""
    assert "cut.jsonl:300: the last line is unfinished" in shown.stderr
    assert "BTC/USDT" in shown.stderr


def test_rebuild_of_nothing_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(DataError, match="no session at"):
        CliRunner().invoke(app, ["feed", "rebuild", str(tmp_path / "absent")], catch_exceptions=False)
    assert not (tmp_path / "data").exists()


def test_the_line_of_a_record_is_what_the_recorder_writes(
    manager: ConfigurationManager, tmp_path: Path
) -> None:
    """Plain text on disk, so that other tools can read a session without this program."""
    asyncio.run(recorded(manager, tmp_path, lambda venue: changes(venue, 1)))
    import gzip

    lines = gzip.decompress((tmp_path / "part-000001.jsonl.gz").read_bytes()).splitlines(keepends=True)
    assert lines == [encode(item) for item in Session(tmp_path)]
    assert all(json.loads(line)["kind"] for line in lines)
