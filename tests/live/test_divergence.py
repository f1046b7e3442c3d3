"""Live against the backtest of the same time, from what a replay left in the journal."""

import json
import uuid
from contextlib import asynccontextmanager
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import compute
from gal_friday_core.live_parity import compare
from gal_friday_core.live_records import Recorded
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.clock import SystemClock
from gal_friday_live.divergence import LiveAgainstBacktest, total
from gal_friday_live.fixed_models import FixedModels
from tests.live.trading import trading
from tests.live.world import CALM, SERIES, manager, market, played, predictor

BARS, WARM = 3_000, 2_000
START, END = int(market().ts[WARM]), int(market().ts[BARS])


class Altered:
    """A journal that writes some of what it is given otherwise."""

    def __init__(self, journal, kind, change):
        self._journal = journal
        self._kind, self._change = kind, change

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def note(self, kind, key, ts_ns, record):
        self._journal.note(kind, key, ts_ns, self._told(kind, record))

    async def append(self, kind, key, ts_ns, record):
        await self._journal.append(kind, key, ts_ns, self._told(kind, record))

    def _told(self, kind, record):
        return self._change(dict(record)) if kind == self._kind else record


@pytest.fixture
def lived(database_url, tmp_path):
    """A replay of a thousand bars, recorded with a change, and what it came to against the backtest."""

    @asynccontextmanager
    async def opened(kind="", change=None, config=None, bars=None, journal=Altered):
        lake = CandleLake(tmp_path / "lake")
        lake.write(market()[:BARS])
        models = FixedModels(predictor())
        async with Database(database_url) as database:
            written = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
            await written.begin("paper-replay", config_hash="0", code_version="test")
            stretch = played((bars or market())[:BARS])
            async with trading(
                config or manager(risk=CALM), models, stretch, journal(written, kind, change)
            ) as engine:
                await engine.run()
            await written.close()
            yield LiveAgainstBacktest(manager(risk=CALM), LiveRecords(database), models, lake)

    return opened


async def parts(here):
    found = await here.between(SERIES, START, END + 1)
    whole = total(found)
    assert sum(whole.parts.values()) == whole.gap
    return found[0], {name: amount for name, amount in whole.parts.items() if amount}


async def test_replay_of_stored_bars_is_the_backtest_to_the_cent(lived):
    async with lived() as here:
        found, differing = await parts(here)
    assert differing == {}
    assert found.split.live == found.split.backtest != 0
    assert len(found.lived.trades) == len(found.simulated) > 5
    assert (found.bars, found.other_bars, found.other_rows) == (BARS - WARM, 0, 0)


async def test_higher_fees_show_as_fees_alone(lived):
    def dearer(record):
        return record | {"fee": record["fee"] * 2, "cash": record["cash"] - record["fee"]}

    async with lived("FILL", dearer) as here:
        found, differing = await parts(here)
    assert set(differing) == {"fee"}
    paid = sum((leg.fee for trade in found.lived.trades for leg in trade.legs), Decimal())
    assert differing["fee"] == pytest.approx(-paid / 2, abs=Decimal("0.02"))


async def test_worse_prices_show_as_fills_alone(lived):
    def worse(record):
        if record["side"] != "BUY":
            return record
        price = record["price"] * Decimal("1.001")
        dearer = record["quantity"] * (price - record["price"])
        fee = dearer * Decimal("0.0026")
        return record | {"price": price, "fee": record["fee"] + fee, "cash": record["cash"] - dearer - fee}

    async with lived("FILL", worse) as here:
        _, differing = await parts(here)
    assert set(differing) == {"fill"}
    assert differing["fill"] < 0


class Waited(Altered):
    """A live engine whose orders left when the pair stood half a percent higher, and were filled another thousandth above."""

    async def append(self, kind, key, ts_ns, record):
        if kind == "ORDER_INTENT" and record["purpose"] == "ENTRY":
            opened = Decimal(repr(float(market().open[np.searchsorted(market().ts, record["created_at"])])))
            quote = {"pair": SERIES.pair, "price": opened * WAITED, "source": "BOOK", "known_ns": ts_ns}
            self._journal.note("ORDER_QUOTE", key, ts_ns, quote)
        await super().append(kind, key, ts_ns, record)


WAITED, WORSE = Decimal("1.005"), Decimal("1.001")


@pytest.mark.parametrize(
    ("factor", "named"),
    [(WAITED, {"latency"}), (WAITED * WORSE, {"latency", "fill"}), (1, {"latency", "fill"})],
)
async def test_what_waiting_cost_within_a_bar_is_told_from_what_the_fill_cost(lived, factor, named):
    """The last: the market came back before the fill, so that waiting cost nothing in the end."""

    def dearer(record):
        if record["side"] != "BUY":
            return record
        cost = record["quantity"] * record["price"] * (factor - 1)
        fee = cost * Decimal("0.0026")
        return record | {
            "price": record["price"] * factor, "fee": record["fee"] + fee, "cash": record["cash"] - cost - fee,
        }  # fmt: skip

    async with lived("FILL", dearer, journal=Waited) as here:
        found, differing = await parts(here)
    spent = sum(
        (leg.quantity * leg.price for trade in found.simulated for leg in trade.legs if leg.side == "BUY"),
        Decimal(),
    )
    cents = Decimal("0.1")  # of booking in units
    assert set(differing) == named
    assert differing["latency"] == pytest.approx(-spent * (WAITED - 1) * Decimal("1.0026"), abs=cents)
    total_cost = -spent * (factor - 1) * Decimal("1.0026")
    assert differing["latency"] + differing.get("fill", Decimal()) == pytest.approx(total_cost, abs=cents)


async def test_other_bars_than_the_lakes_show_as_data(lived):
    candles = market()
    random = np.random.default_rng(2)
    columns = [column.copy() for column in candles.columns()]
    heard = (random.random(len(candles)) < 0.2) & (candles.ts >= START)
    columns[2][heard] *= 1.004  # highs: targets are reached that the lake knows nothing of
    async with lived(bars=Candles(SERIES, *columns)) as here:
        found, differing = await parts(here)
    assert set(differing) == {"data"}
    assert found.other_bars == heard[:BARS].sum()
    assert found.other_rows == 0


async def test_smaller_orders_show_as_risk_alone(lived):
    small = manager(risk=CALM | {"risk_per_trade": "0.001"})
    async with lived(config=small) as here:
        found, differing = await parts(here)
    assert set(differing) <= {"risk", "fill"}  # what is left of rounding to the lot is a cent of fills
    assert abs(differing.get("fill", Decimal(0))) <= Decimal("0.05")
    assert abs(found.split.live) < abs(found.split.backtest)


async def test_features_that_were_wrong_when_used_show_as_features(lived):
    """Recorded rows that say something else are traded again as they stand: the backtest follows them."""
    other = compute(market(seed=6)[:BARS]).values[WARM:]
    rows = iter(other)

    def wrong(record):
        return record | {"values": next(rows).tobytes()}

    async with lived("FEATURES", wrong) as here:
        found, _ = await parts(here)
    assert found.other_rows == BARS - WARM
    assert found.split.parts["data"] == 0
    assert found.split.parts["feature"] != 0


async def test_where_nothing_was_recorded_that_is_said(lived):
    async with lived() as here:
        with pytest.raises(
            DataError, match="no prediction that could be traded was recorded from 2024-01-02"
        ):
            await here.between(SERIES, START - 60 * 1_440 * MINUTE_NS, START - 1_440 * MINUTE_NS)


def recorded(values):
    return Recorded("s", "live", compute(market()[:10]).schema.hash, market()[WARM:BARS], values)


def test_rows_as_they_were_used_equal_those_computed_again():
    found = compare(recorded(compare_values()), market()[:BARS])
    assert (found.rows, found.differing, found.unjudged) == (BARS - WARM, 0, 0)


@pytest.mark.parametrize(("byte", "bar", "feature"), [(0, 17, 3), (7, 400, 0), (3, 999, 30)])
def test_one_wrong_byte_is_found_and_named(byte, bar, feature):
    values = compare_values()
    raw = values.view(np.uint8).reshape(*values.shape, 8)
    raw[bar, feature, byte] ^= 1
    right = compare_values()[bar, feature]
    (found,) = compare(recorded(values), market()[:BARS]).differences
    assert found.ts_ns == market().ts[WARM + bar]
    assert found.feature == compute(market()[:10]).schema.names[feature]
    assert float(found.computed) == right
    assert int(found.recorded_bits, 16) ^ int(found.computed_bits, 16) == 1 << (8 * byte)
    assert found.recorded_bits in str(found)
    assert json.dumps(found.computed)


def test_bar_that_was_never_heard_counts_as_the_lake_has_it():
    heard = np.delete(np.arange(WARM, BARS), 500)
    candles = market()
    told = Candles(SERIES, *(column[heard] for column in candles.columns()))
    values = compute(candles[:BARS]).values[heard]
    found = compare(Recorded("s", "live", compute(market()[:10]).schema.hash, told, values), candles[:BARS])
    assert (found.rows, found.differing) == (BARS - WARM - 1, 0)


def compare_values():
    return compute(market()[:BARS]).values[WARM:].copy()
