"""Whatever a run did, its sheet is JSON without holes, and its page can be read."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.report_page import render
from gal_friday_core.tearsheet.deflation import Tried
from gal_friday_core.tearsheet.sheet import tearsheet
from tests.core.tearsheet.runs import bought, candles, entry, run, stopped, won

BARS = st.integers(2, 24 * 45)
WILDNESS = st.sampled_from([0.0, 1e-12, 1e-4, 0.01, 0.5])


@st.composite
def runs(draw):
    """Flat, wild or collapsing equity; no trade, or many, the last one open or not."""
    bars, rng = draw(BARS), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    close = 100 * np.exp(np.clip(np.cumsum(rng.normal(0, draw(WILDNESS), bars)), -8, 8))
    equity = 1_000 * np.exp(np.clip(np.cumsum(rng.normal(0, draw(WILDNESS), bars + 1)), -12, 12))
    fills, entries, place = [], [], 1
    while place + 3 < bars and len(fills) < draw(st.integers(0, 40)):
        key = f"k{place}"
        fills.append(bought(key, place, f"{close[place]:.2f}"))
        entries.append(entry(key, stop=f"{close[place] * 0.9:.2f}", target=f"{close[place] * 1.1:.2f}"))
        if draw(st.booleans()):
            ends = stopped if draw(st.booleans()) else won
            fills.append(ends(key, place + 1, f"{close[place + 1]:.2f}"))
            place += 1 + draw(st.integers(1, 60))
        else:
            break
    return run(candles(close), equity, fills, entries)


@settings(max_examples=60, deadline=None)
@given(runs(), st.sampled_from([None, Tried(1), Tried(10_000), Tried(3, 0.01, "told")]))
def test_sheet_of_any_run_is_json_and_its_page_has_no_holes(record, tried):
    sheet = tearsheet(record, tried=tried)
    assert json.loads(json.dumps(sheet, allow_nan=False))["deflated"]["trials"] == (tried or Tried()).count
    page = render(sheet)
    for hole in ("nan", "inf ", ">None<", ">inf"):
        assert hole not in page
    for figure in sheet["intervals"]["figures"]:
        low, high = figure["estimate"]["low"], figure["estimate"]["high"]
        assert low is None or low <= high
