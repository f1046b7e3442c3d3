"""Live against backtest as a page."""

import re
from decimal import Decimal

from gal_friday_adapters.divergence_page import Stretch, render, waterfall
from gal_friday_core.divergence.split import PARTS, Decision, Lived, split
from gal_friday_core.divergence.trades import Leg, Trade

D = Decimal
RATE, MARK = D("0.002"), D(100)


def trade(moment, sold):
    legs = [
        Leg(ts_ns=moment + 1, side="BUY", quantity=D(2), price=D(100), fee=D(0)),
        Leg(ts_ns=moment + 2, side="SELL", quantity=D(2), price=D(sold), fee=D(0)),
    ]
    return Trade(decided_ns=moment, legs=tuple(leg.charged(RATE) for leg in legs))


BACKTEST = [trade(10, 110), trade(20, 90)]
LIVED = Lived(
    trades=(trade(10, 104),),
    decisions={10: Decision(verdict="APPROVED", quantity=D(2)), 20: Decision(verdict="<NO_MONEY>")},
)
SPLIT = split(BACKTEST, BACKTEST, BACKTEST, LIVED, mark=MARK, fee_rate=RATE)


def test_waterfall_begins_and_ends_at_zero_and_each_part_begins_where_the_last_ended():
    drawn = waterfall(SPLIT)
    bars = re.findall(r'class="bar( \w+)?" x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', drawn)
    spans = [(float(top), float(top) + float(height)) for _, top, height in bars]
    assert len(bars) == len(PARTS) + 2
    assert [kind.strip() for kind, _, _ in bars[1:-1]] == ["gain", "gain", "gain", "gain", "lost", "gain"]
    (risk, fill), live = spans[4:6], spans[-1]
    assert risk[0] == fill[0]  # up by what risk saved, and from there down by the fill
    assert fill[1] == live[0]
    for name in PARTS:
        assert f">{name}</text>" in drawn


def test_page_names_parts_trades_and_verdicts_and_escapes_them():
    stretch = Stretch("v1 & co", SPLIT, BACKTEST, LIVED, MARK)
    page = render("Live <against> backtest", SPLIT, [stretch], ["one session"])
    for part in (
        "Live &lt;against&gt; backtest",
        "v1 &amp; co",
        "&lt;NO_MONEY&gt;",
        "one session",
        "+20.76",
        "−11.98",
    ):
        assert part in page
    assert "<script" not in page


def test_prices_are_written_in_ten_figures():
    long = Trade(
        decided_ns=10,
        legs=tuple(
            Leg(ts_ns=11, side=side, quantity=D("1.76482330"), price=D("1090.0872992748874410"), fee=D(0)).charged(RATE)
            for side in ("BUY", "SELL")
        ),
    )  # fmt: skip
    lived = Lived(trades=(long,), decisions={})
    page = render("t", SPLIT, [Stretch("s", SPLIT, [long], lived, MARK)])
    assert ">1090.087299<" in page
    assert ">1.7648233<" in page
    assert "1090.0872992" not in page
