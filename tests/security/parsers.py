"""Every parser that reads what others wrote, with good examples of what it reads.

`parse` may raise a `GalFridayError` and nothing else, whatever the bytes are.
"""

import asyncio
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

import polars as pl

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_adapters.history import kraken_csv, kraken_rest, parquet
from gal_friday_adapters.history.archive import members, read_member
from gal_friday_adapters.history.naming import Overrides, series_of
from gal_friday_adapters.history.raw import checked
from gal_friday_adapters.kraken import captures
from gal_friday_adapters.sessions import records
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.simulated_kraken.rest_front import PRIVATE, RestFront
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_adapters.simulated_kraken.v2_methods import V2Methods
from gal_friday_core import artifact, events, trees, ubjson
from gal_friday_core.account import Flow
from gal_friday_core.book import OrderBook
from gal_friday_core.candles import Series
from gal_friday_core.kraken import private_wire, rest_shapes, v1, wire
from gal_friday_core.kraken.error_codes import refusal
from gal_friday_core.kraken.names import PairNames
from gal_friday_core.kraken.signing import sign
from gal_friday_core.payloads import PAYLOADS
from gal_friday_core.predictor import Predictor
from gal_friday_live.configuration import DEFAULT_FILE, ConfigurationManager
from gal_friday_live.control_socket import ControlSocket
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange
from tests.adapters.simulated_kraken.sockets import Listener
from tests.core.kraken import test_private_wire as private_examples
from tests.core.model_files import model_files
from tests.live.test_cli_service import service
from tests.security.examples import (
    BOOK,
    ENVELOPE,
    FILL,
    LEDGER,
    METHODS,
    ORDER,
    PAIR,
    RAW_EVENTS,
    RECORDS,
    REQUESTS,
    V1,
    WIRE,
)  # fmt: skip

SERIES = Series("kraken", "BTC/USD", "1m")
NAMES = PairNames.of([("XXBTZUSD", "XBTUSD", "XBT/USD")])


@dataclass(frozen=True)
class Parser:
    """`examples` are read without an error."""

    parse: Callable[[bytes], object]
    examples: Callable[[], tuple[bytes, ...]]


@contextmanager
def as_file(content: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        path.chmod(0o600)
        yield path


def _rest(raw: bytes) -> None:
    """As one answer of each kind, and its entries as what the engine makes of them."""
    tries: tuple[Callable[[], object], ...] = (
        lambda: [refusal(text) for text in rest_shapes.read(raw, rest_shapes.Envelope).error],
        lambda: rest_shapes.read(rest_shapes.read(raw, rest_shapes.Envelope).result, rest_shapes.ServerTime),
        lambda: [
            rest_shapes.order_facts(name, shape, NAMES)
            for name, shape in rest_shapes.read(raw, dict[str, rest_shapes.OrderShape]).items()
        ],
        lambda: [
            rest_shapes.fill_facts(name, shape, NAMES)
            for name, shape in rest_shapes.read(raw, dict[str, rest_shapes.FillShape]).items()
        ],
        lambda: [
            _plain(rest_shapes.flow(name, shape))
            for name, shape in rest_shapes.read(raw, dict[str, rest_shapes.LedgerShape]).items()
        ],
        lambda: [
            rest_shapes.instrument("BTC/USD", shape)
            for shape in rest_shapes.read(raw, dict[str, rest_shapes.PairShape]).values()
        ],
        lambda: rest_shapes.balances(rest_shapes.read(raw, dict[str, Decimal])),
        lambda: rest_shapes.read(raw, rest_shapes.TradeVolume),
    )
    _each(tries)


def _plain(flow: Flow | None) -> str:
    return "" if flow is None else f"{flow}"


def _each(tries: tuple[Callable[[], object], ...]) -> None:
    """All of them, so that one that is refused does not hide the next; the last refusal is raised."""
    from gal_friday_core.errors import GalFridayError

    refused = None
    for attempt in tries:
        try:
            attempt()
        except GalFridayError as error:
            refused = error
    if refused is not None and len(tries) == 1:
        raise refused


@cache
def _book() -> OrderBook:
    return OrderBook("BTC/USD", 10, 1, 8)


def _apply(raw: bytes) -> None:
    book = _book()
    book.apply_raw(raw)
    book.levels()


def _wire(raw: bytes) -> None:
    message = wire.decode(raw)
    f"{message}"
    if isinstance(message, wire.BookMessage):
        _book().apply(message)


def _csv(raw: bytes) -> None:
    checked(kraken_csv.read_kraken_csv(raw, SERIES, "fuzz.csv"), skip_bad_rows=True)


def _parquet(raw: bytes) -> None:
    with as_file(raw, "fuzz.parquet") as path:
        checked(parquet.read_parquet(path, SERIES), skip_bad_rows=True)


@cache
def _parquet_example() -> tuple[bytes, ...]:
    minutes = [1_381_095_240_000_000_000 + 60_000_000_000 * number for number in range(20)]
    price = [100.0 + number for number in range(20)]
    frame = pl.DataFrame(
        {
            "ts": minutes,
            "open": price,
            "high": price,
            "low": price,
            "close": price,
            "volume": price,
            "trades": [1] * 20,
        }
    )
    plain, packed = io.BytesIO(), io.BytesIO()
    frame.write_parquet(plain, compression="uncompressed")
    frame.write_parquet(packed, compression="zstd")
    return plain.getvalue(), packed.getvalue()


def _zip(raw: bytes) -> None:
    with as_file(raw, "fuzz.zip") as path:
        for _, entry, archive in members(path):
            read_member(path, entry, archive)


def _zip_example() -> tuple[bytes, ...]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("XBTUSD_1.csv", b"1381095240,122.0,122.0,122.0,122.0,0.1,1\n" * 20)
        archive.writestr("ETHUSD_5.csv", b"1381095240,122.0,122.0,122.0,122.0,0.1,1\n")
    return (packed.getvalue(),)


def _name(raw: bytes) -> None:
    series_of(raw.decode("utf-8", "replace"), Overrides())


def _config(raw: bytes) -> None:
    with as_file(raw, "fuzz.yaml") as path:
        ConfigurationManager(str(path), environ={}).load_config()


def _environment(raw: bytes) -> None:
    name, _, value = raw.decode("utf-8", "replace").partition("=")
    ConfigurationManager(None, environ={name: value}).load_config()


def _event(raw: bytes) -> None:
    from gal_friday_core.errors import ContractError

    try:
        found = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return
    if isinstance(found, dict):
        _each(
            (
                lambda: events.from_dict(found).to_json(),
                *(lambda kind=kind: _decoded(kind, found) for kind in PAYLOADS),
            )
        )
    else:
        raise ContractError("no object")


def _decoded(kind: str, found: dict[str, object]) -> None:
    payload = found.get("payload", found)
    events.decode(kind, payload if isinstance(payload, dict) else found)


def _session(raw: bytes) -> None:
    with as_file(raw, "fuzz.jsonl") as path:
        list(Session(path))


def _capture(raw: bytes) -> None:
    with as_file(raw, "fuzz.jsonl") as path:
        captures.verify(path)


def _control(raw: bytes) -> None:
    line = raw.replace(b"\n", b" ") + b"\n"
    asyncio.run(ControlSocket(Path("nowhere"), service().answer)._reply(line))


@cache
def _venue() -> tuple[V2Methods, RestFront, str]:
    served = exchange()
    token = served.tokens.issue(KEY, served.now_ns())
    return V2Methods(served), RestFront(served, Keyring([ApiKey(KEY, SECRET, account=KEY)])), token


def _method(raw: bytes) -> None:
    methods, _, token = _venue()
    session = Listener()
    methods.answer(session, raw.replace(b"TOKEN", token.encode()))
    if not session.sent:
        raise AssertionError("a message was not answered")


_nonces = iter(range(1, 1 << 62))


def _request(raw: bytes) -> None:
    """`METHOD?form` of a client with a good key, in both ways to send it."""
    _, front, _ = _venue()
    method, _, form = raw.partition(b"?")
    name = method.decode("utf-8", "replace")
    for kind in ("application/x-www-form-urlencoded", "application/json"):
        nonce = str(next(_nonces))
        body = form.replace(b"NONCE", nonce.encode())
        signature = sign(PRIVATE + name, nonce, body, SECRET)
        front.private(name, body, kind, (KEY, signature))
    front.public(name, dict(parse_qsl(form.decode("utf-8", "replace"), keep_blank_values=True)))


def _halt(raw: bytes) -> None:
    with as_file(raw, "fuzz.halt") as path:
        HaltPage(path).read()


def _history(raw: bytes) -> None:
    answer = kraken_rest.parse_json(raw.decode("utf-8", "replace"))
    kraken_rest._result(answer, "OHLC")


def _artifact(raw: bytes) -> None:
    """One of the files as it came, the rest as they were; its manifest made anew, so that it is looked into."""
    name, _, content = raw.partition(b"=")
    known = {each.partition(".")[0].encode(): each for each in model_files() if each != artifact.MANIFEST}
    files = {**model_files(), known.get(name, artifact.CALIBRATION): content}
    sealed = artifact.seal(files)
    Predictor.from_files(sealed, model_id="x", model_type="x", version=1)


def _artifact_example() -> tuple[bytes, ...]:
    return tuple(
        name.partition(".")[0].encode() + b"=" + model_files()[name]
        for name in model_files()
        if name != artifact.MANIFEST
    )


PARSERS: dict[str, Parser] = {
    "public_wire": Parser(_wire, lambda: WIRE),
    "book_bytes": Parser(_apply, lambda: (BOOK, BOOK.replace(b"snapshot", b"update"))),
    "private_wire": Parser(private_wire.decode, lambda: (*private_examples.EVERY, *WIRE)),
    "older_wire": Parser(v1.to_v2, lambda: V1),
    "rest_answers": Parser(_rest, lambda: (ENVELOPE, ORDER, FILL, LEDGER, PAIR, b'{"ZUSD":"1.5","XXBT":"0.1"}')),
    "csv": Parser(_csv, lambda: (b"1381095240,122.0,122.0,122.0,122.0,0.1,1\n1381095300,123,124,122,123.5,0.5,2\n",)),
    "parquet": Parser(_parquet, _parquet_example),
    "zip": Parser(_zip, _zip_example),
    "file_names": Parser(_name, lambda: (b"XBTUSD_1.csv", b"bitfinex_BTCUSD_1m_2017.parquet", b"binance_ETH-USDT_5m.csv")),
    "history_rest": Parser(_history, lambda: (b'{"error":[],"result":{"XXBTZUSD":[[1,"1","1","1","1","1","1",1]],"last":1}}',)),
    "ubjson": Parser(ubjson.decode, lambda: (model_files()[artifact.MODEL][:40_000],)),
    "trees": Parser(trees.read, lambda: (model_files()[artifact.MODEL],)),
    "artifact": Parser(_artifact, _artifact_example),
    "config": Parser(_config, lambda: (DEFAULT_FILE.read_bytes(), b"risk:\n  risk_per_trade: 0.01\n")),
    "environment": Parser(
        _environment,
        lambda: (b"GAL_FRIDAY__RISK__RISK_PER_TRADE=0.01", b'GAL_FRIDAY__MARKET__PAIRS=["BTC/USD"]', b"GAL_FRIDAY_DATA_DIR=/x"),
    ),
    "events": Parser(_event, lambda: RAW_EVENTS),
    "record": Parser(records.decode, lambda: RECORDS),
    "session": Parser(_session, lambda: (b"".join(RECORDS),)),
    "capture": Parser(_capture, lambda: (b"".join(RECORDS), b"[" + BOOK + b"," + BOOK + b"]", V1[0] + b"\n")),
    "halt_page": Parser(_halt, lambda: (b'{"state":"HALTED","reason":"test"}'.ljust(4096),)),
    "control": Parser(
        _control,
        lambda: (
            b'{"command":"status"}', b'{"command":"orders","all":true}', b'{"command":"explain","order":"x"}',
            b'{"command":"halt","reason":"x","who":"ada","action":"CANCEL_ENTRIES"}',
            b'{"command":"resume","reason":"x","who":"ada"}', b'{"command":"stop","who":"ada"}',
        ),
    ),
    "simulated_websocket": Parser(_method, lambda: METHODS),
    "simulated_rest": Parser(_request, lambda: REQUESTS),
}  # fmt: skip
