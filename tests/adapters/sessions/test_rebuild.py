from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.sessions.bars import whole_bars
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_adapters.sessions.rebuild import rebuild
from gal_friday_adapters.sessions.records import GAP, SERVER, Record
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.market_events import BOOK, INVALID, TRADE
from gal_friday_core.times import HOUR_NS, MINUTE_NS
from gal_friday_core.trade_bars import bars_of_trades
from tests.adapters.sessions.captures import (
    book_session,
    ohlc,
    real_bars,
    real_trades,
    save,
    trade_session,
)

MINUTES = Series("kraken", "BTC/USDT", "1m")


@pytest.fixture
def lakes(tmp_path: Path) -> tuple[MarketLake, CandleLake]:
    return MarketLake(tmp_path / "lake"), CandleLake(tmp_path / "lake")


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.parquet")}


@pytest.mark.data
def test_bars_rebuilt_from_a_session_are_the_exchanges_own(shared_data: Path, tmp_path: Path, lakes) -> None:
    result = rebuild(save(trade_session(shared_data), tmp_path / "a.jsonl"), *lakes)
    assert (result.trades, result.gaps, result.bars, result.damage) == (990, 0, 270, [])
    rebuilt = lakes[1].read(MINUTES)
    assert len(rebuilt) == 270
    theirs = {row[0]: row for row in real_bars(shared_data).iter_rows()}
    for row in zip(*(column.tolist() for column in rebuilt.columns()), strict=True):
        assert row == theirs[row[0]]


@pytest.mark.data
def test_every_bar_with_trades_between_the_first_and_the_last_is_there(
    shared_data: Path, tmp_path: Path, lakes
) -> None:
    rebuild(save(trade_session(shared_data), tmp_path / "a.jsonl"), *lakes)
    rebuilt = lakes[1].read(MINUTES)
    bars = real_bars(shared_data)
    traded = [row[0] for row in bars.iter_rows() if row[6] and rebuilt.ts[0] <= row[0] <= rebuilt.ts[-1]]
    assert rebuilt.ts.tolist() == traded


@pytest.mark.data
def test_a_bar_beside_lost_trades_is_left_out_and_the_others_stand(
    shared_data: Path, tmp_path: Path, lakes
) -> None:
    records = trade_session(shared_data, leave_out=range(100, 103))
    result = rebuild(save(records, tmp_path / "a.jsonl"), *lakes)
    assert (result.gaps, result.trades) == (1, 990 - 9)
    rebuilt, theirs = lakes[1].read(MINUTES), {row[0]: row for row in real_bars(shared_data).iter_rows()}
    for row in zip(*(column.tolist() for column in rebuilt.columns()), strict=True):
        assert row == theirs[row[0]]
    lost = [trade["timestamp"] for trade in real_trades(shared_data)[310:319]]
    minutes = {
        np.datetime64(stamp[:19]).astype("datetime64[m]").astype("datetime64[ns]").astype(int)
        for stamp in lost
    }
    assert not minutes & set(rebuilt.ts.tolist())
    assert 260 <= len(rebuilt) < 270


@pytest.mark.data
def test_two_sessions_that_join_give_the_bar_between_them(shared_data: Path, tmp_path: Path, lakes) -> None:
    records = trade_session(shared_data)
    opening, half = records[:6], 500
    rebuild(save(records[:half], tmp_path / "a.jsonl"), *lakes)
    first = len(lakes[1].read(MINUTES))
    rest = [Record(r.kind, records[half - 20].ts_ns, r.message, r.url) for r in opening] + records[
        half - 20 :
    ]
    rebuild(save(rest, tmp_path / "b.jsonl"), *lakes)
    assert 0 < first < 270
    assert len(lakes[1].read(MINUTES)) == 270
    trades = lakes[0].trades("kraken", "BTC/USDT")
    assert np.diff(trades["trade_id"]).tolist() == [1] * 989


@pytest.mark.data
def test_rebuilding_again_changes_no_byte(shared_data: Path, tmp_path: Path, lakes) -> None:
    path = save([*book_session(shared_data)], tmp_path / "a.jsonl")
    other = save(trade_session(shared_data), tmp_path / "b.jsonl")
    assert rebuild(path, *lakes).changed
    assert rebuild(other, *lakes).changed
    before = contents(lakes[0].root)
    assert not rebuild(path, *lakes).changed
    assert not rebuild(other, *lakes).changed
    assert contents(lakes[0].root) == before


@pytest.mark.data
def test_stored_events_read_back_by_time(shared_data: Path, tmp_path: Path, lakes) -> None:
    records = trade_session(shared_data)
    rebuild(save(records, tmp_path / "a.jsonl"), *lakes)
    lake = lakes[0]
    whole = lake.events("kraken", "BTC/USDT")
    assert whole is not None
    assert (lake.pairs("kraken"), lake.hours("kraken", "BTC/USDT")[0]) == (["BTC/USDT"], "2025-11-10T17")
    assert len(lake.hours("kraken", "BTC/USDT")) == 8
    assert whole.kind.tolist() == [TRADE] * 990
    assert (np.diff(whole.ts) >= 0).all()
    middle = int(whole.ts[500])
    part = lake.events("kraken", "BTC/USDT", middle, middle + HOUR_NS)
    assert part is not None
    expected = (whole.ts >= middle) & (whole.ts < middle + HOUR_NS)
    assert part.trade_id.tolist() == whole.trade_id[expected].tolist()
    assert lake.events("kraken", "BTC/USDT", 0, 1) is None
    assert lake.events("kraken", "ETH/USD") is None
    prices = {trade["trade_id"]: float(trade["price"]) for trade in real_trades(shared_data)}
    assert lake.trades("kraken", "BTC/USDT")["price"].tolist() == [
        prices[number] for number in whole.trade_id.tolist()
    ]


@pytest.mark.data
def test_a_session_of_the_same_time_replaces_and_its_neighbours_stay(
    shared_data: Path, tmp_path: Path, lakes
) -> None:
    records = book_session(shared_data)
    whole, short = save(records, tmp_path / "whole.jsonl"), save(records[:20], tmp_path / "short.jsonl")
    rebuild(short, *lakes)
    rebuild(whole, *lakes)
    events = lakes[0].events("kraken", "BTC/USD")
    assert events is not None
    assert events.kind.tolist() == [BOOK] * 51 + [INVALID]


@pytest.mark.data
def test_damage_and_losses_are_told(shared_data: Path, tmp_path: Path, lakes) -> None:
    records = trade_session(shared_data)
    records.insert(200, Record(GAP, records[200].ts_ns, dropped=3))
    path = save(records, tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes()[:-10])
    told = rebuild(path, *lakes).to_dict()
    assert told["dropped"] == 3
    assert told["damage"] == [f"a.jsonl:{len(records)}: the last line is unfinished; it was left out"]
    assert (told["pairs"], told["unlisted"], told["connections"]) == (["BTC/USDT"], [], 1)


@pytest.mark.data
def test_bars_that_the_session_itself_heard_are_compared(shared_data: Path, tmp_path: Path, lakes) -> None:
    """The exchange's own bars of the same minutes, put on the ohlc channel of the session."""
    records = trade_session(shared_data)
    first, last = records[6].ts_ns, records[-1].ts_ns
    bars = [bar for bar in real_bars(shared_data).rows() if bar[6] and first < bar[0] + MINUTE_NS < last]
    spoilt = bars[100]
    records += [
        Record(SERVER, bar[0] + MINUTE_NS, ohlc(bar, volume=bar[5] + (bar is spoilt))) for bar in bars
    ]
    records.sort(key=lambda record: record.ts_ns)
    result = rebuild(save(records, tmp_path / "a.jsonl"), *lakes)
    assert result.bars_compared > 250
    assert result.bars_compared - result.bars_agreed == 1


def test_a_file_without_a_message_is_refused(tmp_path: Path, lakes) -> None:
    (tmp_path / "a.jsonl").write_text('{"kind":"connect","ts":1,"url":"wss://x"}\n')
    with pytest.raises(DataError, match="no message"):
        rebuild(tmp_path / "a.jsonl", *lakes)


@given(
    seconds=st.lists(st.integers(0, 600), min_size=1, max_size=80).map(sorted),
    lost=st.sets(st.integers(0, 79), max_size=4),
)
def test_a_bar_is_rebuilt_only_where_it_equals_that_of_all_trades(seconds: list[int], lost: set[int]) -> None:
    count = len(seconds)
    rng = np.random.default_rng(count)
    trades = {
        "trade_id": np.arange(count),
        "ts": np.array(seconds, np.int64) * 1_000_000_000,
        "price": np.round(rng.uniform(90, 110, count), 1),
        "quantity": np.round(rng.uniform(0.001, 2, count), 8),
    }
    kept = np.array([number not in lost for number in range(count)])
    if not kept.any():
        return
    bars = whole_bars(MINUTES, {name: column[kept] for name, column in trades.items()})
    truth = bars_of_trades(MINUTES, trades["ts"], trades["price"], trades["quantity"])
    known = dict(
        zip(
            truth.ts.tolist(), zip(*(column.tolist() for column in truth.columns()), strict=True), strict=True
        )
    )
    rows = [] if bars is None else list(zip(*(column.tolist() for column in bars.columns()), strict=True))
    assert all(row == known[row[0]] for row in rows)
    if not lost:
        assert len(rows) == max(len(truth) - 2, 0)
