import json
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from gal_friday_adapters.simulated_kraken.demo import FUNDS, HISTORY_MINUTES, KEY, SECRET, simulated_kraken
from gal_friday_adapters.simulated_kraken.endpoints import PrivateCall
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.private_rest import PrivateRest
from gal_friday_adapters.simulated_kraken.recording import recorded_markets
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.times import MINUTE_NS
from gal_friday_core.venue.listings import DEMO_LISTINGS
from gal_friday_live.cli import app

START = 1_700_000_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


def seen_after_a_minute(seed: int) -> tuple[object, ...]:
    clock = Clock()
    exchange = simulated_kraken(seed=seed, now=clock, listings=DEMO_LISTINGS[:1]).exchange
    for _ in range(60):
        clock.now += MINUTE_NS // 60
        exchange.advance()
    market = exchange.markets["BTC/USD"]
    return (
        tuple(market.trades),
        tuple(market.bids()),
        tuple(market.asks()),
        tuple(market.bars.rows(60, clock.now)[:-1]),
    )


def test_the_seed_decides_the_market_and_its_past():
    first = seen_after_a_minute(1)
    assert first == seen_after_a_minute(1)
    assert first != seen_after_a_minute(2)


def test_history_ends_where_the_market_begins():
    clock = Clock()
    exchange = simulated_kraken(seed=1, now=clock).exchange
    exchange.advance()
    for symbol, market in exchange.markets.items():
        hours = market.bars.rows(60, clock.now)
        assert len(hours) >= HISTORY_MINUTES // 60, symbol
        bid, ask = market.best()
        assert bid is not None
        assert ask is not None
        assert bid[0] <= market.listing.start_price * Decimal("1.01")
        assert ask[0] >= market.listing.start_price * Decimal("0.99")
        assert abs(hours[-1].close / market.listing.start_price - 1) < Decimal("0.01")


def test_the_account_is_funded():
    account = simulated_kraken(seed=1, now=Clock()).exchange.account(KEY)
    assert account.balances == FUNDS


def test_an_account_holds_only_what_its_exchange_lists():
    exchange = simulated_kraken(seed=1, now=Clock(), listings=DEMO_LISTINGS[:1]).exchange
    answer = PrivateRest(exchange).answer("Balance", PrivateCall(KEY, Fields({}), START))
    assert answer == {"ZUSD": "100000.0000000000", "XXBT": "2.0000000000"}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A session of three messages in the record format: a snapshot, a change, a trade."""
    told = "2023-10-06T17:35:55.440295Z"
    books = [
        ("snapshot", '[{"price":100.0,"qty":1.00000000}]', '[{"price":101.0,"qty":2.00000000}]'),
        ("update", '[{"price":100.5,"qty":3.00000000}]', "[]"),
    ]
    messages = [
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":{bids},"asks":{asks},"checksum":1}}]}}'
        for kind, bids, asks in books
    ]
    trade = '"symbol":"BTC/USD","side":"buy","price":101.0,"qty":0.50000000,"ord_type":"limit","trade_id":1'
    messages.append(f'{{"channel":"trade","type":"update","data":[{{{trade},"timestamp":"{told}"}}]}}')
    path = tmp_path / "session.jsonl"
    records = [
        {"kind": "server", "ts": 1_696_613_755 + second, "msg": message}
        for second, message in enumerate(messages)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_recorded_session_is_the_market(recording: Path):
    clock = Clock()
    listings, markets = recorded_markets(recording)
    exchange = simulated_kraken(seed=1, now=clock, listings=listings, markets=markets).exchange
    clock.now += 10 * 1_000_000_000
    exchange.advance()
    market = exchange.markets["BTC/USD"]
    assert [(level.price, level.quantity) for level in market.bids()] == [
        (Decimal("100.5"), 3),
        (Decimal("100.0"), 1),
    ]
    assert [(level.price, level.quantity) for level in market.asks()] == [(Decimal("101.0"), 2)]
    assert [(trade.price, trade.qty) for trade in market.trades] == [(Decimal("101.0"), Decimal("0.5"))]


def test_a_session_without_a_book_is_no_market(tmp_path: Path):
    path = tmp_path / "session.jsonl"
    path.write_text('{"kind":"server","ts":1,"msg":"{\\"channel\\":\\"heartbeat\\"}"}\n')
    with pytest.raises(DataError, match="no book snapshot"):
        recorded_markets(path)


def test_a_taken_port_is_told(kraken):
    port = int(kraken.url.rpartition(":")[2])
    result = CliRunner().invoke(app, ["exchange", "serve", "--port", str(port), "--seconds", "5"])
    assert isinstance(result.exception, ExchangeError)
    assert "another --port" in str(result.exception)


def test_command_serves_and_ends_by_itself():
    result = CliRunner().invoke(app, ["exchange", "serve", "--port", "0", "--seconds", "0.2", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["key"], told["secret"]) == (KEY, SECRET)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{told['url']}/0/public/Time", timeout=5)


def test_unknown_fault_is_refused_before_anything_starts():
    result = CliRunner().invoke(app, ["exchange", "serve", "--faults", "sparks=1"])
    assert "unknown fault" in str(result.exception)
