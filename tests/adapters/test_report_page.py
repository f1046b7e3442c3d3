"""The report page: self-contained, well formed, escaped, and readable where data is scarce."""

import re
from decimal import Decimal
from html.parser import HTMLParser

import numpy as np
import pytest

from gal_friday_adapters.report_chart import ticks
from gal_friday_adapters.report_page import render
from gal_friday_core.performance import performance
from gal_friday_core.tearsheet.deflation import Tried
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_core.times import DAY_NS
from tests.core.tearsheet.runs import bought, candles, run, won
from tests.core.trading import fill

VOID = {"meta"}


class Balance(HTMLParser):
    """Collects text and attributes, and fails on a tag that is not closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    return parser


def report(equities, reports=()):
    curve = [(day * DAY_NS, Decimal(str(equity))) for day, equity in enumerate(equities)]
    return performance(curve, reports)


def traded():
    fills = [
        fill("a", "BUY", "2", "100", "0.5", ts=DAY_NS),
        fill("b", "SELL", "2", "90", "0.5", ts=2 * DAY_NS, type_="STOP_LOSS"),
    ]
    return report([1000, 1000, 979, 990], fills)


def test_page_shows_figures_trades_and_context():
    page = render({**traded(), "title": "Run 7", "notes": ["An override."], "context": {"model": "m@v1"}})
    text = " ".join(read(page).text)
    for wanted in ("Run 7", "An override.", "m@v1", "−21.00", "STOP", "1970-01-02 00:00", "Max drawdown"):
        assert wanted in text
    assert page.count("<svg") == 2


def whole():
    """A report with every section."""
    rng = np.random.default_rng(8)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, 24 * 90)))
    bars = candles(close)
    fills = [
        one
        for number in range(30)
        for first in [60 * number + 10]
        for one in (
            bought(f"k{number}", first, str(close[first])),
            won(f"k{number}", first + 5, str(close[first + 5])),
        )
    ]
    equity = 1000 * np.exp(np.cumsum(rng.normal(0, 0.001, len(close) + 1)))
    check = {"about": "bars <b>shuffled</b>", "checked": 900, "columns": []}
    guards = {
        "passed": False,
        "checks": [
            {**check, "name": "shuffled future", "differing": 0, "passed": True},
            {**check, "name": "past alone", "differing": 3, "passed": False, "columns": ["volatility"]},
        ],
        "delays": [
            {"bars": 0, "trades": 30, "net_profit": "12.5", "total_return": 0.01, "sharpe": 1.0},
            {"bars": 1, "trades": 29, "net_profit": "-3", "total_return": -0.003, "sharpe": None},
        ],
    }
    return tearsheet(run(bars, equity, fills), tried=Tried(20, None, "a sweep")) | {"guards": guards}


def test_page_has_every_section_and_they_read_well():
    page = render(whole())
    text = " ".join(read(page).text)
    for wanted in (
        "buy and hold", "Exposure", "Months", "2024", "How sure the figures are", "resamples in blocks of",
        "One of how many", "a sweep", "Compared", "Costs", "Bears costs", "Spread of trades", "Where it was earned",
        "Volatility: wild", "Inside the bar", "No bar reached", "or on where the run began",
        "differing: volatility", "1 bar late",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert "nan" not in text.lower()
    assert "None" not in text
    assert page.count('class="heat ') >= 3


def test_run_that_saw_its_future_says_so_first():
    report = whole()
    report["guards"]["checks"][0] |= {"passed": False, "differing": 7}
    text = " ".join(read(render(report)).text)
    assert "This run saw its future: nothing on this page can be believed." in text
    report["guards"]["checks"] = [{**check, "passed": True} for check in report["guards"]["checks"]]
    assert "No decision knew what came after it." in " ".join(read(render(report)).text)


def test_trades_are_numbered_as_explain_takes_them():
    rows = re.findall(r"<tr><td>(\d+)</td><td>2024-", render(whole()))
    assert rows == [str(number) for number in range(1, 31)]


def test_interval_below_zero_is_not_coloured_as_a_loss():
    page = render(whole())
    assert not re.findall(r'<td class="lost">−[^<]* to ', page)


def test_page_without_trades_has_every_section_that_it_can():
    report = tearsheet(run(candles([100 + place % 7 for place in range(24 * 40)]), [1000] * (24 * 40 + 1)))
    text = " ".join(read(render(report)).text)
    assert "No trade was closed." in text
    assert "Spread of trades" not in text
    assert "None" not in text


@pytest.mark.parametrize("report", [whole, traded])
def test_page_asks_the_network_for_nothing(report):
    page = render(report())
    assert "<script" not in page
    assert re.findall(r"(?:src|href|url\()", page) == []
    assert "://" not in page


@pytest.mark.parametrize("where", ["title", "notes", "context"])
def test_foreign_text_is_escaped(where):
    evil = '<img src=x onerror="alert(1)">'
    added = {"title": evil, "notes": [evil], "context": {evil: evil}}
    page = render({**traded(), where: added[where]})
    assert "<img" not in page
    assert evil in " ".join(read(page).text)


def test_flat_run_without_trades_is_readable():
    text = " ".join(read(render(report([1000, 1000, 1000]))).text)
    assert "No trade was closed." in text
    assert "3 daily returns: too few" not in text
    assert "2 daily returns: too few for an interval" in text
    assert "–" in text


def test_lines_stay_inside_the_picture():
    page = render(traded())
    for points in re.findall(r'points="([^"]+)"', page):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 960
            assert 0 <= y <= 320


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (0.0, 0.0), (-0.5, 0.0), (1e-9, 3e-9), (1e9, 1.1e9)])
def test_ticks_enclose_their_span(low, high):
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 12
    assert marks[0] <= low + 1e-12
    assert marks[-1] >= high - 1e-12


def test_what_traded_the_same_bars_is_a_line_beside_the_equity():
    sheet = whole()
    alone = read(render(sheet))
    beside = {"name": "<model>@v1", "equity_curve": sheet["equity_curve"]}
    page = read(render({**sheet, "beside": beside}))
    lines = [value for name, value in page.attributes if name == "class" and "third" in (value or "")]
    assert len(lines) == 2  # the line and its key
    assert "<model>@v1" in page.text
    assert "third" not in str(alone.attributes)
