"""Every book feature against its definition, and a kernel with planted bugs against the same."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gal_friday_core.features import book_kernel, book_layout
from gal_friday_core.features.book_drivers import compute_book
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.market_events import BAR, MarketEvents
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from tests.core.features import book_reference
from tests.core.features.book_markets import book_market, minutes_of, seconds_of

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def expected(events: MarketEvents, moments: np.ndarray) -> np.ndarray:
    return np.array([book_reference.row(events, int(moment), MINUTE_NS) for moment in moments])


@pytest.mark.parametrize("seed", range(4))
def test_every_column_is_what_its_definition_says(seed):
    events = book_market(seed, 1_500, pace_s=0.8)
    moments = np.unique(np.concatenate((minutes_of(events), seconds_of(events, 97))))
    values = compute_book(events, moments, MINUTE_NS).values
    wanted = expected(events, moments)
    for column, name in enumerate(BOOK_V1.names):
        np.testing.assert_allclose(values[:, column], wanted[:, column], **CLOSE, err_msg=name)
    known = np.isfinite(wanted)
    assert known.any(axis=0).all(), "a column that is never known tests nothing"
    assert (~known).any(axis=0).all()


def pure_kernel(replacements: dict[str, str]) -> SimpleNamespace:
    """The kernel's own source run by the interpreter, with some of its lines exchanged."""
    source = Path(book_kernel.__file__).read_text()
    source = source.replace("from gal_friday_core.compiled import compiled, inlined, pointer\n", "")
    for line, other in replacements.items():
        assert source.count(line) == 1, line
        source = source.replace(line, other)
    same = lambda function: function  # noqa: E731
    names = {"compiled": same, "inlined": same, "pointer": lambda array, at: array.reshape(-1)[at:]}
    exec(compile(source, "book_kernel", "exec"), names)
    return SimpleNamespace(**names)


def interpreted(kernel: SimpleNamespace, events: MarketEvents, moments: np.ndarray) -> np.ndarray:
    state, clock = book_layout.new_book_state()
    out = np.full((len(moments), len(BOOK_V1)), np.nan)
    columns = events.arrays()
    with np.errstate(all="ignore"):
        _, written = kernel.run(
            state,
            clock,
            (columns["ts"], columns["exchange_ts"]),
            columns["kind"],
            tuple(columns[name] for name in ("bid_prices", "bid_quantities", "ask_prices", "ask_quantities")),
            (columns["price"], columns["quantity"], columns["side"]),
            moments,
            MINUTE_NS,
            out.reshape(-1),
        )
    return out[:written]


PLANTED = {
    "the window loses its oldest slice": ("range(1, LONGEST_WINDOW + 1)", "range(1, LONGEST_WINDOW)"),
    "an order flow of the wrong sign": ("flow -= asks", "flow += asks"),
    "a bid that stands counts once": ("if bid <= state[BID_PRICES]:", "if bid < state[BID_PRICES]:"),
    "a lost book keeps its features": ("if clock[BOOK_SINCE] != NEVER:", "if clock[BIDS] > 0:"),
    "warm one second early": (
        "slot - clock[BOOK_SINCE] > WINDOWS[window]",
        "slot - clock[BOOK_SINCE] >= WINDOWS[window]",
    ),
    "trades warm one second early": (
        "clock[SLOT] - clock[TRADES_SINCE] > WINDOWS[window]",
        "clock[SLOT] - clock[TRADES_SINCE] >= WINDOWS[window]",
    ),
    "a return from outside the window": (
        "            variance += across\n            variance += state[at + R_WITHIN]\n",
        "            variance += state[at + R_ACROSS]\n            variance += state[at + R_WITHIN]\n",
    ),
    "the running slice's first return is lost": (
        "variance + state[at + R_ACROSS] if state[sums + S_TRADES] > 0.0 else variance",
        "variance",
    ),
    "the moment's own events are seen": (
        "moments[written] <= reached",
        "moments[written] < reached - 400_000_000",
    ),
    "slices left out keep what was in them": (
        "range(max(newest + 1, slot - SLICES + 1), slot + 1)",
        "range(slot, slot + 1)",
    ),
    "the mid price of a silent second is lost": ("state[at + R_MID] = mid", "state[at + R_MID] = 0.0"),
    "late trades are taken for new ones": ("heard - made > LATE_NS", "heard - made > 100 * LATE_NS"),
    "a gap in the trades is passed over": ("elif kind == GAP:\n        _lose_trades(state, clock)", "elif kind == GAP:\n        pass"),
    "a wrong book goes on": ("elif kind == INVALID:\n        clock[BOOK_SINCE] = NEVER", "elif kind == INVALID:\n        pass"),
    "a book of one side goes on": (
        "        clock[BOOK_SINCE] = NEVER\n        return False",
        "        return False",
    ),
    "depth of the last book for that of the window": ("if updates > 0.0:", "if updates < 0.0:"),
    "intensity over whole seconds only": ("/ (WINDOWS[window] + running_s)", "/ WINDOWS[window]"),
    "a bar's delivery does not end it": ("        return bar_end\n", "        return heard\n"),
    "levels beyond the fifth count as near": ("min(clock[BIDS], 5)", "min(clock[BIDS], 6)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def session() -> tuple[MarketEvents, np.ndarray, np.ndarray]:
    """A session whose venue is up to four seconds ahead with its bars, its moments, and their rows by definition."""
    events = book_market(11, 1_200, pace_s=1.0, losses=0.01, silences=0.004)
    kind, made = events.kind.copy(), events.exchange_ts.copy()
    ends = minutes_of(events)
    last = np.searchsorted(events.ts, ends) - 3
    early = (last >= 0) & (ends - events.ts[last] < 4 * SECOND_NS)
    kind[last[early]], made[last[early]] = BAR, ends[early] - MINUTE_NS
    assert early.sum() > 5
    columns = events.arrays() | {"kind": kind, "exchange_ts": made}
    events = MarketEvents("kraken", "BTC/USD", 1, 8, **columns)
    moments = np.unique(np.concatenate((ends, seconds_of(events, 5))))
    moments = moments[moments <= events.ts[-1]]
    return events, moments, expected(events, moments)


def agrees(values: np.ndarray, wanted: np.ndarray) -> bool:
    return len(values) == len(wanted) and np.allclose(values, wanted, **CLOSE, equal_nan=True)


def test_the_interpreted_kernel_agrees_with_the_definitions(session):
    events, moments, wanted = session
    assert agrees(interpreted(pure_kernel({}), events, moments), wanted)
    assert agrees(compute_book(events, moments, MINUTE_NS).values, wanted)


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(session, bug):
    events, moments, wanted = session
    line, other = PLANTED[bug]
    assert not agrees(interpreted(pure_kernel({line: other}), events, moments), wanted)
