"""From a socket to columns and back: what was told live is what a replay of its recording tells."""

import asyncio
from pathlib import Path

import numpy as np

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.sessions.collector import EventCollector, Precision
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.rebuild import events_of
from gal_friday_adapters.sessions.recording import RecordingTransport
from gal_friday_adapters.sessions.records import CLIENT, CLOSE, CONNECT, GAP, SERVER
from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.market_events import BAR, BOOK, INVALID, TRADE, MarketEvents, concatenate
from gal_friday_live.clock import SystemClock
from tests.adapters.kraken.local_kraken import PAIRS, local_kraken

SERIES = [Series("kraken", pair, "1m") for pair in PAIRS]
QUICK = Patience(silence_s=2.0, retry_s=0.01, retry_max_s=0.02, stable_s=0.0)


async def until(condition) -> None:
    async with asyncio.timeout(120):  # the first run may have to compile the book
        while not condition():  # noqa: ASYNC110 - of several objects, none of which tells
            await asyncio.sleep(0.002)


async def recorded_market(folder: Path, scenario) -> dict[str, MarketEvents]:
    """Run a client through a recording transport while `scenario` moves the market; what it was told."""
    clock, writer = SystemClock(), SessionWriter(folder)
    writer.start()
    told: dict[str, list[MarketEvents]] = {}
    async with local_kraken(clock) as (venue, url):
        recording = RecordingTransport(PicowsTransport(), writer, clock)
        client = KrakenClient(
            SERIES, recording, url=url, transport=recording, patience=QUICK, jitter=lambda: 0.0
        )
        sink = EventCollector(
            "kraken",
            recording,
            lambda pair: Precision(*PAIRS[pair]),
            lambda e: told.setdefault(e.pair, []).append(e),
        )
        running = asyncio.ensure_future(client.run(sink))
        await until(lambda: client.stands)
        await scenario(venue, client, sink)
        await client.close()
        await running
    sink.finish()
    await asyncio.to_thread(writer.close)
    return {pair: concatenate(parts) for pair, parts in told.items()}


async def trade_and_move(venue, count: int) -> None:
    for number in range(count):
        for pair in PAIRS:
            await venue.change(pair)
            if number % 3 == 0:
                await venue.trade(pair)


def same(live: MarketEvents, again: MarketEvents) -> None:
    """Row by row equal; a loss of the line is stamped when it was noticed, a loop's turn after it was recorded."""
    assert again.kind.tolist() == live.kind.tolist()
    stamped = (live.kind == BOOK) | (live.kind == TRADE)
    for name, column in live.arrays().items():
        rows = stamped if name == "ts" else slice(None)
        assert np.array_equal(again.arrays()[name][rows], column[rows]), name


def test_a_replay_tells_what_was_told_live_to_the_nanosecond(tmp_path: Path) -> None:
    async def scenario(venue, client, sink) -> None:
        await trade_and_move(venue, 60)
        for minute in (1, 2):
            await venue.candle("BTC/USD", minute)
        await until(lambda: sink.updates >= 122 and sink.trades >= 40 and len(sink.candles) >= 1)

    live = asyncio.run(recorded_market(tmp_path, scenario))
    session = Session(tmp_path)
    again = events_of(session)
    assert session.damage == []
    assert live.keys() == again.keys() == PAIRS.keys()
    for pair in PAIRS:
        same(live[pair], again[pair])
    assert set(live["BTC/USD"].kind.tolist()) == {BOOK, TRADE, BAR, INVALID}


def test_a_broken_line_and_a_spoilt_message_replay_as_they_were(tmp_path: Path) -> None:
    async def scenario(venue, client, sink) -> None:
        await trade_and_move(venue, 10)
        await venue.change("BTC/USD", spoil=lambda text: text.replace('"checksum":', '"checksum":1', 1))
        await until(lambda: sink.invalid == 1)
        await until(lambda: client.stands)
        await trade_and_move(venue, 10)
        venue.drop()
        await until(lambda: client.counts.connections == 2 and client.stands)
        await trade_and_move(venue, 10)
        await until(lambda: sink.trades >= 24)

    live = asyncio.run(recorded_market(tmp_path, scenario))
    again = events_of(Session(tmp_path))
    for pair in PAIRS:
        same(live[pair], again[pair])
    assert live["BTC/USD"].kind.tolist().count(INVALID) == 3  # spoilt, dropped, closed
    kinds = [record.kind for record in Session(tmp_path)]
    assert (kinds.count(CONNECT), kinds.count(CLOSE)) == (2, 2)
    assert kinds.count(CLIENT) >= 2


class Line:
    def __init__(self, listener):
        self.listener, self.sent, self.closed = listener, [], False

    def send(self, message):
        self.sent.append(message)

    def close(self):
        if not self.closed:
            self.closed = True
            self.listener.on_closed("closed here")


class Lines:
    """A transport in memory; `failing` refuses."""

    def __init__(self):
        self.lines, self.failing = [], False

    async def connect(self, url, listener):
        if self.failing:
            raise ExchangeError("nobody there")
        self.lines.append(Line(listener))
        return self.lines[-1]


class Listening:
    def __init__(self):
        self.heard, self.closed = [], []

    def on_message(self, raw):
        self.heard.append(raw)

    def on_closed(self, reason):
        self.closed.append(reason)


class Ticking:
    def __init__(self):
        self.ts_ns = 1_000

    def now_ns(self):
        self.ts_ns += 1
        return self.ts_ns


async def test_everything_passes_through_unchanged_and_is_written_in_order(tmp_path: Path) -> None:
    writer, lines, listener = SessionWriter(tmp_path), Lines(), Listening()
    writer.start()
    recording = RecordingTransport(lines, writer, Ticking())
    connection = await recording.connect("wss://one", listener)
    lines.lines[0].listener.on_message(b'{"a":1}')
    connection.send(b'{"b":2}')
    connection.close()
    await asyncio.to_thread(writer.close)
    assert (listener.heard, listener.closed, lines.lines[0].sent) == (
        [b'{"a":1}'],
        ["closed here"],
        [b'{"b":2}'],
    )
    records = list(Session(tmp_path))
    assert [(r.kind, r.message, r.reason) for r in records] == [
        (CONNECT, b"", ""), (SERVER, b'{"a":1}', ""), (CLIENT, b'{"b":2}', ""), (CLOSE, b"", "closed here"),
    ]  # fmt: skip
    assert [r.url for r in records] == ["wss://one", "", "wss://one", ""]


async def test_time_stands_still_while_a_message_is_handed_over(tmp_path: Path) -> None:
    writer, lines = SessionWriter(tmp_path), Lines()
    writer.start()
    recording = RecordingTransport(lines, writer, Ticking())
    stamps = []

    class Stamping(Listening):
        def on_message(self, raw):
            stamps.extend([recording.now_ns(), recording.now_ns()])

    await recording.connect("wss://one", Stamping())
    lines.lines[0].listener.on_message(b"{}")
    after = recording.now_ns()
    await asyncio.to_thread(writer.close)
    assert stamps == [next(r.ts_ns for r in Session(tmp_path) if r.kind == SERVER)] * 2
    assert after > stamps[0]


async def test_a_failed_attempt_is_a_connect_and_a_close(tmp_path: Path) -> None:
    writer, lines = SessionWriter(tmp_path), Lines()
    writer.start()
    lines.failing = True
    recording = RecordingTransport(lines, writer, Ticking())
    for _ in range(2):
        try:
            await recording.connect("wss://one", Listening())
        except ExchangeError as error:
            refused = str(error)
    await asyncio.to_thread(writer.close)
    records = list(Session(tmp_path))
    assert [r.kind for r in records] == [CONNECT, CLOSE] * 2
    assert records[1].reason == refused == "nobody there"


async def test_lines_that_are_open_at_the_same_time_are_told_apart(tmp_path: Path) -> None:
    writer, lines = SessionWriter(tmp_path), Lines()
    writer.start()
    recording = RecordingTransport(lines, writer, Ticking())
    first = await recording.connect("wss://one", Listening())
    await recording.connect("wss://two", Listening())
    lines.lines[1].listener.on_message(b'{"two":2}')
    first.close()
    await recording.connect("wss://three", Listening())
    await asyncio.to_thread(writer.close)
    assert [(r.kind, r.connection) for r in Session(tmp_path)] == [
        (CONNECT, 0), (CONNECT, 1), (SERVER, 1), (CLOSE, 0), (CONNECT, 0),
    ]  # fmt: skip


async def test_after_a_loss_the_line_is_renewed_so_that_the_rest_is_whole(tmp_path: Path) -> None:
    writer, lines, listener = SessionWriter(tmp_path, queue_bytes=1_000), Lines(), Listening()
    recording = RecordingTransport(lines, writer, Ticking(), renew_after_loss=True)
    await recording.connect("wss://one", listener)
    tell = lines.lines[0].listener.on_message
    for _ in range(20):  # nobody writes yet: the queue fills
        tell(b'{"n":1}')
    assert writer.dropped > 0
    assert not lines.lines[0].closed
    writer.start()
    await asyncio.to_thread(writer.flush)
    tell(b'{"n":2}')
    assert lines.lines[0].closed
    assert listener.closed == ["closed here"]
    await asyncio.to_thread(writer.close)
    kinds = [record.kind for record in Session(tmp_path)]
    assert kinds[-3:] == [GAP, SERVER, CLOSE]
    assert listener.heard.count(b'{"n":1}') == 20  # the client missed nothing
