"""An engine's first bars: from OHLC alone where that is enough, from the library of exchanges where more is missing."""

import os
import time

import pytest

from gal_friday_adapters.history import recent
from gal_friday_adapters.history.recent import ingest_recent
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.market_simulator import VENUE, simulate
from gal_friday_core.times import MINUTE_NS
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import DEMO_LISTINGS
from tests.adapters.simulated_kraken.running import KEY, Ladder, running

SERIES = Series("kraken", "BTC/USD", "1m")


@pytest.fixture(scope="module")
def kraken():
    """A simulated Kraken with a day and a half behind it."""
    now_ns = time.time_ns()
    past = simulate(
        Series(VENUE, SERIES.pair, "1m"), now_ns // MINUTE_NS * MINUTE_NS - 2_000 * MINUTE_NS, 2_000, seed=3
    )
    venue = Venue(seed=1, start_ns=now_ns, markets={listing.symbol: Ladder() for listing in DEMO_LISTINGS})
    venue.open_account(KEY, {})
    served = Exchange(
        venue,
        now=time.time_ns,
        faults=WireFaults.parse("", 1),
        tokens=Tokens(os.urandom),
        past={SERIES.pair: past},
    )
    with running(served) as server:
        yield server.url, past


def nobody_else(*_, **__):
    raise AssertionError("OHLC was enough")


def test_the_last_bars_come_without_the_library(kraken, tmp_path, monkeypatch):
    url, past = kraken
    monkeypatch.setattr(recent, "ingest_exchange", nobody_else)
    lake = CandleLake(tmp_path)
    since = int(past.ts[-300])
    ingest_recent(SERIES, lake, since_ns=since, url=url)
    stored = lake.read(SERIES, since, int(past.ts[-1]) + MINUTE_NS)
    traded = past[-300:].ts[past[-300:].volume > 0]
    assert stored.ts.tolist() == traded.tolist()
    ingest_recent(SERIES, lake, since_ns=since, url="http://127.0.0.1:1", now_ns=lambda: int(past.ts[-1]))


@pytest.mark.parametrize("deep", [True, False])
def test_what_lies_before_them_is_asked_of_the_library_where_wanted(kraken, tmp_path, monkeypatch, deep):
    url, past = kraken
    asked = []
    monkeypatch.setattr(
        recent, "ingest_exchange", lambda series, lake, **options: asked.append(options["since_ns"])
    )
    ingest_recent(SERIES, CandleLake(tmp_path), since_ns=int(past.ts[0]), url=url, deep=deep)
    assert asked == ([int(past.ts[0])] if deep else [])


@pytest.mark.parametrize(
    ("url", "told"),
    [("http://127.0.0.1:1", "cannot reach kraken"), ("file:///etc", "no address of an exchange")],
)
def test_an_exchange_that_is_not_there_is_one_clear_error(tmp_path, url, told):
    with pytest.raises(ExchangeError, match=told):
        ingest_recent(SERIES, CandleLake(tmp_path), since_ns=0, now_ns=lambda: 10 * MINUTE_NS, url=url)
