"""The book features by their definitions: plain Python over the list of events, slow and independent of the kernel."""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.market_events import BAR, BOOK, GAP, INVALID, TRADE, MarketEvents
from gal_friday_core.times import SECOND_NS

WINDOWS = (10, 60, 300)


@dataclass
class Observation:
    """What was seen since a source was last lost."""

    books: list = field(default_factory=list)  # (ts, bid levels, ask levels, flow)
    trades: list = field(default_factory=list)  # (ts, price, quantity, side)
    trades_since: int | None = None


def observed(events: MarketEvents, moment: int, bar_ns: int) -> Observation:
    """Everything received before a moment, or before the bar that ends then was delivered."""
    seen, ts = Observation(), 0
    for i in range(len(events)):
        kind = int(events.kind[i])
        reached = int(events.exchange_ts[i]) + bar_ns if kind == BAR else int(events.ts[i])
        reached = 0 if kind in {INVALID, GAP} else reached  # the live engine is not told when
        if reached >= moment:
            break
        ts = max(ts, reached)  # what comes after an early bar counts from its end on
        if kind == INVALID:
            seen.books = []
        elif kind == BOOK:
            take_book(seen, ts, levels(events, i, "bid"), levels(events, i, "ask"))
        elif kind in {TRADE, GAP}:
            take_trade(seen, ts, events, i)
        if kind in {BOOK, TRADE} and seen.trades_since is None:
            seen.trades_since = ts
    return seen


def take_trade(seen: Observation, ts: int, events: MarketEvents, i: int) -> None:
    """A trade; or a gap in them, as which a trade told ten seconds late counts as well."""
    made = int(events.exchange_ts[i])
    if events.kind[i] == GAP or (made and int(events.ts[i]) - made > 10 * SECOND_NS):
        seen.trades, seen.trades_since = [], None
    if events.kind[i] == TRADE:
        seen.trades.append((ts, int(events.price[i]), int(events.quantity[i]), int(events.side[i])))


def levels(events: MarketEvents, i: int, side: str) -> list:
    prices, quantities = getattr(events, f"{side}_prices")[i], getattr(events, f"{side}_quantities")[i]
    return [(int(p), int(q)) for p, q in zip(prices, quantities, strict=True) if q > 0]


def take_book(seen: Observation, ts: int, bids: list, asks: list) -> None:
    if not bids or not asks or bids[0][0] >= asks[0][0]:
        seen.books = []
        return
    flow = 0
    if seen.books:
        _, (old_bid, *_), (old_ask, *_), _ = seen.books[-1]
        bid, ask = bids[0], asks[0]
        flow += (bid[1] if bid[0] >= old_bid[0] else 0) - (old_bid[1] if bid[0] <= old_bid[0] else 0)
        flow += (old_ask[1] if ask[0] >= old_ask[0] else 0) - (ask[1] if ask[0] <= old_ask[0] else 0)
    seen.books.append((ts, bids, asks, flow))


def row(events: MarketEvents, moment: int, bar_ns: int) -> np.ndarray:
    """All features of a moment, float64 in schema order."""
    seen = observed(events, moment, bar_ns)
    found = dict.fromkeys(BOOK_V1.names, math.nan)
    second = moment // SECOND_NS
    since_book = seen.books[0][0] // SECOND_NS if seen.books else None
    since_trades = seen.trades_since // SECOND_NS if seen.trades_since is not None else None
    if seen.books:
        found |= of_book(*seen.books[-1][1:3])
    for window in WINDOWS:
        start = (second - window) * SECOND_NS
        span = (moment - start) / SECOND_NS
        if since_book is not None and second - since_book > window:
            found |= of_books(seen.books, start, window, span)
        if since_trades is not None and second - since_trades > window:
            trades = [trade for trade in seen.trades if trade[0] >= start]
            found |= of_trades(trades, window, span)
            if window == 60 and since_book is not None and second - since_book > window:
                volume = sum(quantity for _, _, quantity, _ in trades)
                found["traded_depth_60s"] = volume / mean_depth(seen.books, start)
    short, long = found["trade_intensity_60s"], found["trade_intensity_300s"]
    found["trade_intensity_ratio_60s_300s"] = 1.0 if long == 0 else short / long
    return np.array([found[name] for name in BOOK_V1.names])


def of_book(bids: list, asks: list) -> dict[str, float]:
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    mid = (bid + ask) / 2
    found = {
        "spread_pct": (ask - bid) / mid * 100,
        "microprice_distance": (bid * ask_size + ask * bid_size) / (bid_size + ask_size) / mid - 1,
        "touch_share_10": (bid_size + ask_size) / sum(size for _, size in (*bids, *asks)),
    }
    for count in (1, 5, 10):
        near, far = (sum(size for _, size in side[:count]) for side in (bids, asks))
        found[f"book_imbalance_{count}"] = (near - far) / (near + far)
    for name, side in (("bid", bids), ("ask", asks)):
        distance = abs(side[-1][0] - side[0][0]) / mid * 100
        growth = math.log(sum(size for _, size in side) / side[0][1])
        found[f"depth_slope_{name}_10"] = growth / distance if distance else 0.0
    return found


def mean_depth(books: list, start: int) -> float:
    recent = [book for book in books if book[0] >= start] or books[-1:]
    return sum((bids[0][1] + asks[0][1]) / 2 for _, bids, asks, _ in recent) / len(recent)


def of_books(books: list, start: int, window: int, span: float) -> dict[str, float]:
    recent = [book for book in books if book[0] >= start]
    before = [book for book in books if book[0] < start]
    mid_now, mid_then = (math.log((book[1][0][0] + book[2][0][0]) / 2) for book in (books[-1], before[-1]))
    found = {
        f"order_flow_imbalance_{window}s": sum(book[3] for book in recent) / mean_depth(books, start),
        f"mid_return_{window}s": mid_now - mid_then,
    }
    if window == 60:
        found["book_updates_60s"] = len(recent) / span
    return found


def of_trades(trades: list, window: int, span: float) -> dict[str, float]:
    volume = sum(quantity for _, _, quantity, _ in trades)
    signed = sum(quantity * side for _, _, quantity, side in trades)
    found = {f"signed_volume_{window}s": signed / volume if volume else 0.0}
    if window > 10:
        found[f"trade_intensity_{window}s"] = len(trades) / span
        changes = [math.log(b[1] / a[1]) for a, b in itertools.pairwise(trades)]
        found[f"realized_volatility_{window}s"] = math.sqrt(sum(change**2 for change in changes))
    return found
