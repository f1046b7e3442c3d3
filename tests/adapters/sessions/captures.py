"""Sessions made of real messages: the given captures in the record format, with what a client would have heard."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from gal_friday_adapters.sessions.records import CLOSE, CONNECT, SERVER, Record, encode
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso, to_iso

STATUS = b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2"}]}'
LISTED = b'{"method":"subscribe","result":{"channel":"instrument","snapshot":true},"success":true,"req_id":1}'
HEARTBEAT = b'{"channel":"heartbeat"}'


def compact(message):
    return json.dumps(message, separators=(",", ":")).encode()


def acknowledged(channel, pair, **more):
    result = {"channel": channel, "symbol": pair, "snapshot": True, **more}
    return compact({"method": "subscribe", "result": result, "success": True, "req_id": 1})


def instruments(shared_data: Path) -> bytes:
    return compact(json.loads((shared_data / "kraken_ws/v2/instrument_snapshot_verbatim.json").read_text()))


def book_messages(shared_data: Path) -> list[bytes]:
    document = json.loads((shared_data / "kraken_ws/v2/book10_BTCUSD_capture_first50.json").read_text())
    return [compact(message) for message in [document["init"], *document["updates"]]]


def time_of(message: bytes) -> int:
    return from_iso(json.loads(message)["data"][0]["timestamp"])


def book_session(shared_data: Path, start_ns: int | None = None) -> list[Record]:
    """The real book capture as one connection: heard 20 ms after the exchange's own time."""
    messages = book_messages(shared_data)
    first = time_of(messages[1]) if start_ns is None else start_ns
    before = [
        STATUS,
        LISTED,
        instruments(shared_data),
        acknowledged("book", "BTC/USD", depth=10),
        messages[0],
    ]
    records = [Record(CONNECT, first - SECOND_NS, url="wss://ws.kraken.com/v2")]
    records += [Record(SERVER, first - SECOND_NS + i, raw) for i, raw in enumerate(before)]
    records += [Record(SERVER, time_of(raw) + SECOND_NS // 50, raw) for raw in messages[1:]]
    return [*records, Record(CLOSE, records[-1].ts_ns + 1, reason="closed here")]


def real_trades(shared_data: Path) -> list[dict]:
    """A thousand trades of BTC/USDT as the trade channel tells them; times to the microsecond."""
    document = json.loads((shared_data / "kraken_rest/public/http_trades.json").read_text())
    return [
        {
            "symbol": "BTC/USDT", "side": "buy" if side == "b" else "sell", "price": price, "qty": quantity,
            "ord_type": "limit" if kind == "l" else "market", "trade_id": number,
            "timestamp": to_iso(round(seconds * 1e6) * 1_000),
        }
        for price, quantity, seconds, side, kind, _, number in document["result"]["XBTUSDT"]
    ]  # fmt: skip


def trade_message(trades: list[dict], kind: str = "update") -> bytes:
    """With numbers as Kraken writes them: bare digits."""
    text = compact({"channel": "trade", "type": kind, "data": trades}).decode()
    for trade in trades:
        for name in ("price", "qty"):
            text = text.replace(f'"{name}":"{trade[name]}"', f'"{name}":{trade[name]}')
    return text.encode()


def real_bars(shared_data: Path) -> pl.DataFrame:
    return pl.read_parquet(shared_data / "ohlcv/kraken_XBTUSDT_1m_restfixture.parquet")


def ohlc(bar: tuple, volume: float) -> bytes:
    """A real bar as the ohlc channel tells it."""
    start, opened, high, low, close, _, trades = bar
    stamp = str(np.datetime64(start, "ns")) + "Z"
    data = {
        "symbol": "BTC/USDT", "open": opened, "high": high, "low": low, "close": close, "trades": trades,
        "volume": 0, "vwap": opened, "interval_begin": stamp, "interval": 1,
    }  # fmt: skip
    return compact({"channel": "ohlc", "type": "update", "data": [data]}).replace(
        b'"volume":0', f'"volume":{volume:.8f}'.encode()
    )


def trade_session(shared_data: Path, *, leave_out: range = range(0)) -> list[Record]:
    """The real trades, three a message, a snapshot of the first ten before; with a heartbeat each 30 seconds."""
    trades = real_trades(shared_data)
    first = from_iso(trades[9]["timestamp"]) + 1
    opening = [
        STATUS,
        LISTED,
        instruments(shared_data),
        acknowledged("trade", "BTC/USDT"),
        trade_message(trades[:10], "snapshot"),
    ]
    records = [Record(CONNECT, first, url="wss://ws.kraken.com/v2")]
    records += [Record(SERVER, first, raw) for raw in opening]
    for number, group in enumerate([trades[i : i + 3] for i in range(10, len(trades), 3)]):
        told = from_iso(group[-1]["timestamp"]) + 1_000_000
        records += [
            Record(SERVER, ts, HEARTBEAT)
            for ts in range(records[-1].ts_ns + MINUTE_NS // 2, told, MINUTE_NS // 2)
        ]
        if number not in leave_out:
            records.append(Record(SERVER, told, trade_message(group)))
    return records


def save(records: list[Record], path: Path) -> Path:
    path.write_bytes(b"".join(map(encode, records)))
    return path
