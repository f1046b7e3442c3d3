import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np
import polars as pl
import pytest
import stamina

from gal_friday_adapters.history import exchange, kraken_rest, paged_rest
from gal_friday_adapters.ingest import ingest_exchange
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso
from gal_friday_core.trade_bars import bars_of_trades
from tests.bounded import joined

SERIES = Series("kraken", "BTC/USD", "1m")
NOW = from_iso("2024-03-01T12:00:30Z")
OPEN_MINUTE = from_iso("2024-03-01T12:00:00Z")


class RecordedKraken:
    """Kraken's public REST over a list of trades: OHLC of the last 720 closed minutes, Trades by the page."""

    def __init__(self, trades, *, now_ns=NOW):
        self.trades = trades  # (ns, price, quantity), ascending
        self.now_ns = now_ns
        self.requests = []
        self.broken = lambda path, query: None  # a (status, body) to answer instead
        self.ohlc = self._ohlc
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlparse(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                outer.requests.append((url.path.rpartition("/")[2], query))
                status, body = outer.answer(url.path, query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True  # a caller who never asks holds up nobody's end
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        joined(self._thread)

    def answer(self, path, query):
        broken = self.broken(path, query)
        if broken:
            return broken
        if query["pair"] not in ("XBTUSD", "XBTUSDT"):
            return 200, b'{"error":["EQuery:Unknown asset pair"]}'
        result = self.ohlc(query) if path.endswith("OHLC") else self._trades(query)
        return 200, json.dumps({"error": [], "result": result}).encode()

    def bars(self):
        ts, price, quantity = (np.array(column) for column in zip(*self.trades, strict=True))
        return bars_of_trades(SERIES, ts, price, quantity)

    def _ohlc(self, query):
        columns = [column.tolist() for column in self.bars().columns()]
        bars = {ts: tuple(values) for ts, *values in zip(*columns, strict=True)}
        open_minute = self.now_ns // MINUTE_NS * MINUTE_NS
        rows, close = [], 100.0
        for ts in range(open_minute - 720 * MINUTE_NS, open_minute + 1, MINUTE_NS):
            opened, high, low, close, volume, count = bars.get(ts, (close, close, close, close, 0.0, 0))
            row = [
                f"{opened:.1f}",
                f"{high:.1f}",
                f"{low:.1f}",
                f"{close:.1f}",
                "0.0",
                f"{volume:.8f}",
                count,
            ]
            if ts // SECOND_NS > int(query["since"]):
                rows.append([ts // SECOND_NS, *row])
        return {"XXBTZUSD": rows, "last": open_minute // SECOND_NS - 60}

    def _trades(self, query):
        since = int(query["since"])
        page = [trade for trade in self.trades if trade[0] > since][: int(query["count"])]
        rows = [
            [f"{price:.1f}", f"{quantity:.8f}", ts / SECOND_NS, "b", "m", "", number]
            for number, (ts, price, quantity) in enumerate(page)
        ]
        return {"XXBTZUSD": rows, "last": str(page[-1][0] if page else since)}


def market(hours, seed=3):
    """Trades every few seconds, with quiet stretches, up to half a minute before NOW."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(hours * 400) < 0.02, 400, rng.integers(1, 15, hours * 400))
    ts = NOW - 10**9 - np.cumsum(steps)[::-1] * SECOND_NS
    ts = ts[ts > NOW - hours * 3600 * SECOND_NS]
    price = (60_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(ts))))).round(1)
    return list(zip(ts.tolist(), price.tolist(), rng.gamma(1, 0.1, len(ts)).round(8).tolist(), strict=True))


@pytest.fixture
def kraken():
    server = RecordedKraken(market(26))
    with stamina.set_testing(True, attempts=2):
        yield server
    server.close()


def fetch(kraken, lake, hours, **options):
    since = OPEN_MINUTE - hours * 60 * MINUTE_NS
    options = {"url": kraken.url, "pause_s": 0, "now_ns": lambda: kraken.now_ns} | options
    return ingest_exchange(SERIES, lake, since_ns=since, **options)


def same(one: Candles, other: Candles):
    return all(np.array_equal(a, b) for a, b in zip(one.columns(), other.columns(), strict=True))


def test_recent_bars_come_from_ohlc_without_the_open_and_the_tradeless_ones(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    report = fetch(kraken, lake, 10)
    stored = lake.read(SERIES)
    assert same(stored, kraken.bars().between(OPEN_MINUTE - 600 * MINUTE_NS, OPEN_MINUTE))
    assert len(stored) < 600  # quiet minutes have no row
    assert report.rows == len(stored)
    assert [name for name, _ in kraken.requests] == ["OHLC"]
    assert kraken.requests[0][1] | {"since": ""} == {"pair": "XBTUSD", "interval": "1", "since": ""}


def test_deeper_history_is_rebuilt_from_trades_to_the_last_digit_and_said_so(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    report = fetch(kraken, lake, 24)
    assert same(lake.read(SERIES), kraken.bars().between(OPEN_MINUTE - 24 * 60 * MINUTE_NS, OPEN_MINUTE))
    (note,) = report.files[0].notes
    assert "OHLC reaches back to 2024-03-01T00:00" in note
    assert "rebuilt from Trades" in note


def test_without_deep_only_the_window_is_fetched_and_the_limit_reported(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    report = fetch(kraken, lake, 24, deep=False)
    assert same(lake.read(SERIES), kraken.bars().between(OPEN_MINUTE - 720 * MINUTE_NS, OPEN_MINUTE))
    assert "720 bars" in report.files[0].notes[0]


def test_the_same_download_again_asks_nothing_and_changes_nothing(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    fetch(kraken, lake, 24)
    asked = len(kraken.requests)
    report = fetch(kraken, lake, 24)
    assert len(kraken.requests) == asked
    assert (report.added, report.replaced) == (0, 0)
    assert "nothing to fetch" in report.files[0].notes[0]


def test_a_later_run_fetches_only_what_is_new(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    fetch(kraken, lake, 10)
    kraken.now_ns += 3 * MINUTE_NS
    kraken.trades += [(kraken.now_ns - 90 * SECOND_NS, 61_000.0, 0.5)]
    report = fetch(kraken, lake, 10)
    assert report.added == len(kraken.bars().between(OPEN_MINUTE, OPEN_MINUTE + 3 * MINUTE_NS))
    assert kraken.requests[-1][1]["since"] == str(OPEN_MINUTE // SECOND_NS - 60)


def test_an_interrupted_download_goes_on_where_the_lake_ends(kraken, tmp_path, monkeypatch):
    monkeypatch.setattr(kraken_rest, "PAGES_A_WRITE", 1)
    lake, pages = CandleLake(tmp_path), []

    def down_after_two_pages(path, query):
        if path.endswith("Trades"):
            pages.append(int(query["since"]))
            if len(pages) > 2:
                return 503, b"Service Unavailable"
        return None

    kraken.broken = down_after_two_pages
    with pytest.raises(ExchangeError, match="run the same command again"):
        fetch(kraken, lake, 24)
    kraken.broken = lambda path, query: None
    before = len(kraken.requests)
    fetch(kraken, lake, 24)
    resumed = [int(query["since"]) for name, query in kraken.requests[before:] if name == "Trades"]
    assert resumed[0] > pages[1]  # two pages are not fetched again
    assert same(lake.read(SERIES), kraken.bars().between(OPEN_MINUTE - 24 * 60 * MINUTE_NS, OPEN_MINUTE))
    whole = CandleLake(tmp_path / "whole")
    fetch(kraken, whole, 24)
    assert lake.version(SERIES) == whole.version(SERIES)
    assert lake.coverage(SERIES) == whole.coverage(SERIES)


def test_an_answer_of_too_many_requests_is_tried_again(kraken, tmp_path):
    refusals = [(200, b'{"error":["EAPI:Rate limit exceeded"]}')]
    kraken.broken = lambda path, query: refusals.pop() if refusals else None
    fetch(kraken, CandleLake(tmp_path), 2)
    assert [name for name, _ in kraken.requests] == ["OHLC", "OHLC"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, b"<html>maintenance</html>"), "kraken"),
        ((200, b'{"error":[],"result":{"XXBTZUSD":[["x"]],"last":1}}'), "no list of rows"),
        ((200, b'{"error":["EGeneral:Invalid arguments"]}'), "refused the request"),
        ((503, b"down"), "cannot reach kraken"),
    ],
)
def test_a_useless_answer_is_one_line_and_stores_nothing(kraken, tmp_path, answer, message):
    kraken.broken = lambda path, query: answer
    lake = CandleLake(tmp_path)
    with pytest.raises(ExchangeError, match=message):
        fetch(kraken, lake, 2)
    assert lake.series() == []


def test_an_unreachable_exchange_says_so(tmp_path):
    with (
        stamina.set_testing(True, attempts=1),
        pytest.raises(ExchangeError, match=r"cannot reach kraken at http"),
    ):
        ingest_exchange(
            SERIES, CandleLake(tmp_path), since_ns=from_iso("2024-01-01"), url="http://127.0.0.1:9"
        )


def test_a_pair_that_the_exchange_does_not_have_is_named(kraken, tmp_path):
    series = Series("kraken", "NOPE/USD", "1m")
    with pytest.raises(DataError, match="no pair NOPE/USD"):
        ingest_exchange(
            series,
            CandleLake(tmp_path),
            since_ns=OPEN_MINUTE - 60 * MINUTE_NS,
            url=kraken.url,
            pause_s=0,
            now_ns=lambda: NOW,
        )


def test_an_unknown_exchange_and_a_future_start_are_refused_before_any_request(tmp_path):
    lake = CandleLake(tmp_path)
    with pytest.raises(DataError, match="did you mean kraken"):
        ingest_exchange(Series("krakn", "BTC/USD", "1m"), lake, since_ns=0)
    with pytest.raises(DataError, match="leaves no closed 1m bar"):
        ingest_exchange(SERIES, lake, since_ns=NOW, now_ns=lambda: NOW)


def test_the_address_is_taken_from_the_environment(kraken, tmp_path, monkeypatch):
    monkeypatch.setenv(exchange.URL_VARIABLE, kraken.url)
    fetch(kraken, CandleLake(tmp_path), 2, url=None)
    assert kraken.requests


class PagedVenue:
    """Pages of candles as ccxt returns them, from a start that may lie after the time asked for."""

    def __init__(self, rows, page):
        self.has, self.timeframes = {"fetchOHLCV": True}, {"1m": "1m"}
        self.urls = {"api": {"public": "memory"}}
        self.rows, self.page, self.asked = rows, page, []

    def load_markets(self):
        return {}

    def fetch_ohlcv(self, symbol, timeframe, since):
        self.asked.append(since)
        return [row for row in self.rows if row[0] >= since][: self.page]


def test_other_exchanges_are_paged_forward_to_the_last_closed_bar(tmp_path, monkeypatch):
    start = OPEN_MINUTE // 10**6 - 100 * 60_000
    rows = [[start + i * 60_000, 1.0, 2.0, 0.5, 1.5, 3.0] for i in range(101)]  # the last is still open
    venue = PagedVenue(rows, page=30)
    monkeypatch.setattr(exchange, "_client", lambda *arguments: venue)
    monkeypatch.setattr(paged_rest, "PAGES_A_WRITE", 2)
    lake, series = CandleLake(tmp_path), Series("binance", "BTC/USDT", "1m")
    report = ingest_exchange(series, lake, since_ns=start * 10**6, now_ns=lambda: NOW)
    assert report.added == 100
    assert lake.read(series).ts[-1] == OPEN_MINUTE - MINUTE_NS
    assert len(venue.asked) == 4
    assert ingest_exchange(series, lake, since_ns=start * 10**6, now_ns=lambda: NOW).added == 0
    assert len(venue.asked) == 4


def test_silence_of_another_exchange_is_reported_and_not_remembered_as_complete(tmp_path, monkeypatch):
    venue = PagedVenue([], page=30)
    monkeypatch.setattr(exchange, "_client", lambda *arguments: venue)
    lake, series = CandleLake(tmp_path), Series("binance", "BTC/USDT", "1m")
    report = ingest_exchange(series, lake, since_ns=OPEN_MINUTE - 60 * MINUTE_NS, now_ns=lambda: NOW)
    assert "served nothing" in report.files[0].notes[0]
    assert lake.coverage(series) == []


@pytest.mark.data
def test_a_real_answer_of_kraken_is_stored_as_its_archive_would_be(kraken, tmp_path, shared_data):
    recorded = json.loads((shared_data / "kraken_rest/public/http_ohlc.json").read_text())
    kraken.ohlc = lambda query: recorded["result"]
    now = from_iso("2025-11-11T00:17:30Z")
    lake, series = CandleLake(tmp_path), Series("kraken", "BTC/USDT", "1m")
    ingest_exchange(
        series, lake, since_ns=from_iso("2025-11-10T12:17:00Z"), url=kraken.url, pause_s=0, now_ns=lambda: now
    )
    stored = lake.read(series)
    assert len(stored) == 721 - 216  # the trade-less ones, of which the open minute is one
    assert int(stored.trades.min()) >= 1


@pytest.mark.data
def test_bars_rebuilt_from_real_trades_equal_the_venues_own(shared_data):
    trades = pl.read_parquet(shared_data / "trades/kraken_XBTUSDT_2025-11-10.parquet")
    own = pl.read_parquet(shared_data / "ohlcv/kraken_XBTUSDT_1m_restfixture.parquet")
    series = Series("kraken", "BTC/USDT", "1m")
    rebuilt = bars_of_trades(series, *(trades[name].to_numpy() for name in ("ts", "price", "qty")))[1:]
    columns = [own[name].to_numpy() for name in ("ts", "open", "high", "low", "close", "volume", "trades")]
    venue = Candles(series, *columns).between(int(rebuilt.ts[0]), int(rebuilt.ts[-1]) + 1)
    traded = venue.trades > 0
    assert all(
        np.array_equal(mine, theirs[traded])
        for mine, theirs in zip(rebuilt.columns(), venue.columns(), strict=True)
    )
    assert len(rebuilt) > 200
