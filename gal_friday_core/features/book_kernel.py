"""The compiled kernel of book and trade features: events in, a row on demand. Batch and live are this function.

Entry points: `take_book`, `take_trade`, `lose_book` and `lose_trades` take one event, `row` writes the
features of a moment, `run` does all of it for arrays. Which number stands where in a row is said by
`book_set`.

Invariants:
- **Anchored.** Events are summed into slices of one second of the absolute time grid. A window is a number
  of whole slices plus the running one; its sum over whole slices is made anew from the ring whenever a slice
  begins. Nothing is taken out of a sum, nothing drifts, and a row depends on `REACH_S` seconds at most.
- **No features of a lost book.** From a loss on every column of that source is NaN until it was observed
  anew for the column's whole window.
- **Strict arithmetic.** Prices and quantities come as the venue's integers; every column is a ratio in which
  their scale cancels out.

What lies where in the state is said by `book_layout`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled, inlined, pointer
from gal_friday_core.features.book_layout import (
    ASK_PRICES,
    ASK_QUANTITIES,
    ASKS,
    BID_PRICES,
    BID_QUANTITIES,
    BIDS,
    BOOK_SINCE,
    COLUMNS,
    LAST_PRICE,
    LATE_NS,
    LONGEST_WINDOW,
    MASK,
    NEVER,
    R_ACROSS,
    R_DEPTH,
    R_FLOW,
    R_MID,
    R_SIGNED,
    R_TRADES,
    R_UPDATES,
    R_VOLUME,
    R_WITHIN,
    RING,
    RING_WIDTH,
    S_DEPTH,
    S_FLOW,
    S_SIGNED,
    S_TRADES,
    S_UPDATES,
    S_VARIANCE,
    S_VOLUME,
    SET_BACK_NS,
    SLICE_NS,
    SLICES,
    SLOT,
    SUMS,
    SUMS_WIDTH,
    TIME,
    TRADES_SINCE,
    WINDOWS,
    Clock,
    State,
)
from gal_friday_core.market_events import BAR, BOOK, GAP, INVALID, LEVELS, TRADE

Whole = NDArray[np.int64]
Sides = tuple[Whole, Whole, Whole, Whole]
"""Prices and quantities of bids, then of asks."""


@inlined
def _ring(slot: int) -> int:
    """Where in the state the ring keeps this slice."""
    return RING + (slot & MASK) * RING_WIDTH


@compiled
def _fold(state: State, slot: int) -> None:
    """Sum the whole slices of every window, newest first.

    The return across into the oldest slice with a trade is left out: its earlier trade lies outside.
    """
    flow = depth = updates = signed = volume = trades = variance = across = 0.0
    window = 0
    for age in range(1, LONGEST_WINDOW + 1):
        at = _ring(slot - age)
        flow += state[at + R_FLOW]
        depth += state[at + R_DEPTH]
        updates += state[at + R_UPDATES]
        signed += state[at + R_SIGNED]
        volume += state[at + R_VOLUME]
        if state[at + R_TRADES] > 0.0:
            trades += state[at + R_TRADES]
            variance += across
            variance += state[at + R_WITHIN]
            across = state[at + R_ACROSS]
        if age == WINDOWS[window]:
            sums = SUMS + window * SUMS_WIDTH
            state[sums + S_FLOW] = flow
            state[sums + S_DEPTH] = depth
            state[sums + S_UPDATES] = updates
            state[sums + S_SIGNED] = signed
            state[sums + S_VOLUME] = volume
            state[sums + S_TRADES] = trades
            state[sums + S_VARIANCE] = variance
            window += 1


@inlined
def _advance(state: State, clock: Clock, ts: int) -> int:
    """Begin the slice of `ts`, and every one left out, empty; returns where the ring keeps it.

    A time before the newest counts as the newest.
    """
    slot = ts // SLICE_NS
    newest = clock[SLOT]
    clock[TIME] = max(ts, clock[TIME])
    if slot > newest:
        mid = state[_ring(newest) + R_MID]
        for number in range(max(newest + 1, slot - SLICES + 1), slot + 1):
            at = _ring(number)
            for field in range(R_MID):
                state[at + field] = 0.0
            state[at + R_MID] = mid
        clock[SLOT] = slot
        _fold(state, slot)
    return _ring(clock[SLOT])


@inlined
def _lose_trades(state: State, clock: Clock) -> None:
    clock[TRADES_SINCE] = NEVER
    state[LAST_PRICE] = 0.0


@inlined
def _begin_event(state: State, clock: Clock, ts: int) -> int:
    """`_advance`, or start anew where the clock was set back. Trades are observed from the first event on."""
    if ts < clock[TIME] - SET_BACK_NS:
        clock[TIME] = ts
        clock[SLOT] = ts // SLICE_NS - SLICES
        clock[BOOK_SINCE] = NEVER
        _lose_trades(state, clock)
    at = _advance(state, clock, ts)
    if clock[TRADES_SINCE] == NEVER:
        clock[TRADES_SINCE] = clock[SLOT]
    return at


@inlined
def _flow(bid: float, bids: float, ask: float, asks: float, state: State) -> float:
    """What a new best bid and ask add to the order flow. Cont, Kukanov and Stoikov 2014, equation 2."""
    flow = 0.0
    if bid >= state[BID_PRICES]:
        flow += bids
    if bid <= state[BID_PRICES]:
        flow -= state[BID_QUANTITIES]
    if ask <= state[ASK_PRICES]:
        flow -= asks
    if ask >= state[ASK_PRICES]:
        flow += state[ASK_QUANTITIES]
    return flow


@inlined
def _book(state: State, clock: Clock, ts: int, held: tuple[int, int], sides: Sides) -> bool:
    """Take a book whose sides hold `held` levels. One without two sides that leave a spread is lost."""
    at = _begin_event(state, clock, ts)
    bids, asks = held
    bid_prices, bid_quantities, ask_prices, ask_quantities = sides
    if bids == 0 or asks == 0 or bid_prices[0] >= ask_prices[0]:
        clock[BOOK_SINCE] = NEVER
        return False
    bid, ask = float(bid_prices[0]), float(ask_prices[0])
    bid_quantity, ask_quantity = float(bid_quantities[0]), float(ask_quantities[0])
    if clock[BOOK_SINCE] == NEVER:
        clock[BOOK_SINCE] = clock[SLOT]
    else:
        state[at + R_FLOW] += _flow(bid, bid_quantity, ask, ask_quantity, state)
    state[at + R_DEPTH] += 0.5 * (bid_quantity + ask_quantity)
    state[at + R_UPDATES] += 1.0
    state[at + R_MID] = math.log(0.5 * (bid + ask))
    clock[BIDS], clock[ASKS] = min(bids, LEVELS), min(asks, LEVELS)
    for level in range(clock[BIDS]):
        state[BID_PRICES + level] = bid_prices[level]
        state[BID_QUANTITIES + level] = bid_quantities[level]
    for level in range(clock[ASKS]):
        state[ASK_PRICES + level] = ask_prices[level]
        state[ASK_QUANTITIES + level] = ask_quantities[level]
    return True


@inlined
def _trade(state: State, clock: Clock, when: tuple[int, int], trade: tuple[int, int, int]) -> bool:
    """Take one trade (price, quantity, taker's side), heard and made at `when`."""
    price, quantity, side = trade
    if price <= 0 or quantity <= 0 or side * side != 1:
        return False
    heard, made = when
    if heard - made > LATE_NS and made > 0:
        _lose_trades(state, clock)
    at = _begin_event(state, clock, heard)
    if state[LAST_PRICE] > 0.0:
        change = math.log(price / state[LAST_PRICE])
        if state[at + R_TRADES] > 0.0:
            state[at + R_WITHIN] += change * change
        else:
            state[at + R_ACROSS] = change * change
    state[LAST_PRICE] = price
    state[at + R_SIGNED] += float(side * quantity)
    state[at + R_VOLUME] += float(quantity)
    state[at + R_TRADES] += 1.0
    return True


@inlined
def _slope(state: State, prices: int, levels: int, total: float, mid: float) -> float:
    """Growth of the log of accumulated depth per percent of price, from the best level to the last."""
    distance = abs(state[prices + levels - 1] - state[prices])
    best = state[prices + LEVELS]
    return math.log(total / best) * mid / (100.0 * distance) if distance > 0.0 else 0.0


@inlined
def _depth_to(state: State, quantities: int, levels: int) -> float:
    total = 0.0
    for level in range(levels):
        total += state[quantities + level]
    return total


@inlined
def _book_columns(state: State, clock: Clock, out: State) -> None:
    """Columns 0 to 7, of the newest book."""
    bid, ask = state[BID_PRICES], state[ASK_PRICES]
    bids, asks = state[BID_QUANTITIES], state[ASK_QUANTITIES]
    mid = 0.5 * (bid + ask)
    out[0] = 100.0 * (ask - bid) / mid
    out[2] = (bids - asks) / (bids + asks)
    out[1] = 0.5 * (ask - bid) * out[2] / mid
    near_bids = _depth_to(state, BID_QUANTITIES, min(clock[BIDS], 5))
    near_asks = _depth_to(state, ASK_QUANTITIES, min(clock[ASKS], 5))
    out[3] = (near_bids - near_asks) / (near_bids + near_asks)
    all_bids = _depth_to(state, BID_QUANTITIES, clock[BIDS])
    all_asks = _depth_to(state, ASK_QUANTITIES, clock[ASKS])
    out[4] = (all_bids - all_asks) / (all_bids + all_asks)
    out[5] = _slope(state, BID_PRICES, clock[BIDS], all_bids, mid)
    out[6] = _slope(state, ASK_PRICES, clock[ASKS], all_asks, mid)
    out[7] = (bids + asks) / (all_bids + all_asks)


@inlined
def _mean_depth(state: State, at: int, sums: int) -> float:
    """Mean quantity at the best prices over a window's updates; of the newest book where there was none."""
    updates = state[sums + S_UPDATES] + state[at + R_UPDATES]
    if updates > 0.0:
        return float((state[sums + S_DEPTH] + state[at + R_DEPTH]) / updates)
    return float(0.5 * (state[BID_QUANTITIES] + state[ASK_QUANTITIES]))


@inlined
def _flow_columns(state: State, clock: Clock, at: int, running_s: float, out: State) -> None:
    """Columns 8 to 14, of the book's windows: order flow imbalance, updates a second, mid returns."""
    slot = clock[SLOT]
    for window in range(3):
        known = clock[BOOK_SINCE] != NEVER and slot - clock[BOOK_SINCE] > WINDOWS[window]
        sums = SUMS + window * SUMS_WIDTH
        flow = (state[sums + S_FLOW] + state[at + R_FLOW]) / _mean_depth(state, at, sums)
        change = state[at + R_MID] - state[_ring(slot - WINDOWS[window] - 1) + R_MID]
        out[8 + window] = flow if known else np.nan
        out[12 + window] = change if known else np.nan
        if window == 1:
            updates = (state[sums + S_UPDATES] + state[at + R_UPDATES]) / (WINDOWS[1] + running_s)
            out[11] = updates if known else np.nan


@inlined
def _variance(state: State, at: int, sums: int) -> float:
    """Squared log returns between the trades of a window."""
    variance = state[sums + S_VARIANCE] + state[at + R_WITHIN]
    return float(variance + state[at + R_ACROSS] if state[sums + S_TRADES] > 0.0 else variance)


@inlined
def _trade_columns(state: State, clock: Clock, at: int, running_s: float, out: State) -> None:
    """Columns 15 to 23: signed volume, trades a second, realised volatility, volume against depth."""
    for window in range(3):
        known = clock[TRADES_SINCE] != NEVER and clock[SLOT] - clock[TRADES_SINCE] > WINDOWS[window]
        sums = SUMS + window * SUMS_WIDTH
        volume = state[sums + S_VOLUME] + state[at + R_VOLUME]
        signed = state[sums + S_SIGNED] + state[at + R_SIGNED]
        out[15 + window] = (signed / volume if volume > 0.0 else 0.0) if known else np.nan
        if window > 0:
            rate = (state[sums + S_TRADES] + state[at + R_TRADES]) / (WINDOWS[window] + running_s)
            out[17 + window] = rate if known else np.nan
            out[20 + window] = math.sqrt(_variance(state, at, sums)) if known else np.nan
        if window == 1:
            out[23] = volume / _mean_depth(state, at, sums) if known else np.nan
    out[20] = out[18] / out[19] if out[19] != 0.0 else 1.0


@inlined
def _row(state: State, clock: Clock, ts: int, out: State) -> None:
    """The features of a moment: of everything taken so far, with the windows as they stand at `ts`."""
    at = _advance(state, clock, ts)
    running_s = (clock[TIME] - clock[SLOT] * SLICE_NS) / SLICE_NS
    if clock[BOOK_SINCE] != NEVER:
        _book_columns(state, clock, out)
    else:
        for column in range(8):
            out[column] = np.nan
    _flow_columns(state, clock, at, running_s, out)
    _trade_columns(state, clock, at, running_s, out)
    if np.isnan(out[11]):
        out[23] = np.nan


@compiled
def take_book(  # noqa: PLR0917 - compiled calls are positional
    state: State,
    clock: Clock,
    ts: int,
    bid_prices: Whole,
    bid_quantities: Whole,
    ask_prices: Whole,
    ask_quantities: Whole,
) -> bool:
    """Take the book after an update: int64 in the venue's units, best first. False where it was lost."""
    held = (len(bid_prices), len(ask_prices))
    return _book(
        pointer(state, 0),
        pointer(clock, 0),
        ts,
        held,
        (
            pointer(bid_prices, 0),
            pointer(bid_quantities, 0),
            pointer(ask_prices, 0),
            pointer(ask_quantities, 0),
        ),
    )


@compiled
def take_trade(  # noqa: PLR0917 - compiled calls are positional
    state: State, clock: Clock, heard: int, made: int, price: int, quantity: int, side: int
) -> bool:
    """Take one trade heard and made at these times (made 0: unknown); `side` 1: the buyer took, -1: the seller.

    False, changing nothing, for numbers that are not positive or another side.
    """
    return _trade(pointer(state, 0), pointer(clock, 0), (heard, made), (price, quantity, side))


@compiled
def lose_book(clock: Clock) -> None:
    """Nothing of the book may be used until the next one."""
    clock[BOOK_SINCE] = NEVER


@compiled
def lose_trades(state: State, clock: Clock) -> None:
    """Trades were missed; they are observed anew from the next event on."""
    _lose_trades(pointer(state, 0), pointer(clock, 0))


@compiled
def row(state: State, clock: Clock, ts: int, out: State) -> None:
    """Write the row of the moment `ts` into `out` (float64, `COLUMNS` long)."""
    _row(pointer(state, 0), pointer(clock, 0), ts, pointer(out, 0))


@inlined
def _held(quantities: Whole) -> int:
    """Levels of one side of a stored book."""
    held = 0
    while held < LEVELS and quantities[held] > 0:
        held += 1
    return held


@inlined
def _event(  # noqa: PLR0917 - compiled calls are positional
    state: State, clock: Clock, when: tuple[int, int], kind: int, sides: Sides, trade: tuple[int, int, int]
) -> bool:
    """Take one stored event, as `take_book` and the others take it live."""
    if kind == BOOK:
        _book(state, clock, when[0], (_held(sides[1]), _held(sides[3])), sides)
    elif kind == TRADE:
        return _trade(state, clock, when, trade)
    elif kind == INVALID:
        clock[BOOK_SINCE] = NEVER
    elif kind == GAP:
        _lose_trades(state, clock)
    return True


@inlined
def _reached(kind: int, heard: int, bar_end: int) -> int:
    """Until when rows are settled by an event. A loss settles none: the live engine is not told its time."""
    if kind == BAR:
        return bar_end
    return heard if kind in (BOOK, TRADE) else 0


@compiled
def run(  # noqa: PLR0917 - compiled calls are positional
    state: State,
    clock: Clock,
    times: tuple[Whole, Whole],
    kinds: NDArray[np.int8],
    ladders: Sides,
    trades: tuple[Whole, Whole, NDArray[np.int8]],
    moments: Whole,
    bar_ns: int,
    out: State,
) -> tuple[int, int]:
    """Take stored events, and write the row of each of `moments` before the first of them that is not earlier.

    `times` are those of receipt and the exchange's. A moment is also over when the bar that ends then was
    delivered (BAR; bars of `bar_ns`). Returns the number of events taken, fewer than given when one was
    refused, and of rows written.
    """
    heard, made = times
    bid_prices, bid_quantities, ask_prices, ask_quantities = ladders
    prices, quantities, sides = trades
    memory, time, written = pointer(state, 0), pointer(clock, 0), 0
    for i in range(len(heard)):
        reached = _reached(kinds[i], heard[i], made[i] + bar_ns)
        while written < len(moments) and moments[written] <= reached:
            _row(memory, time, moments[written], pointer(out, written * COLUMNS))
            written += 1
        first = i * LEVELS
        book = (
            pointer(bid_prices, first),
            pointer(bid_quantities, first),
            pointer(ask_prices, first),
            pointer(ask_quantities, first),
        )
        trade = (prices[i], quantities[i], int(sides[i]))
        if not _event(memory, time, (heard[i], made[i]), kinds[i], book, trade):
            return i, written
    return len(heard), written
