"""A recorded book as the venue's outside market: which levels changed, and what was traded."""

from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from gal_friday_core.config import CostsConfig
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.market_events import BOOK, INVALID, TRADE, MarketEvents
from gal_friday_core.venue.listings import Asset, FeeSteps, Listing
from gal_friday_core.venue.recorded_market import Recorded, RecordedBook, RecordedTrade
from gal_friday_core.venue.updates import PriceLevel

ASSET_DECIMALS = 12
COST_DECIMALS = 8
_HUNDRED = Decimal(100)

Ladder = dict[int, int]


def recorded_events(events: MarketEvents, start_ns: int) -> Iterator[Recorded]:
    """In their order, from an empty book at `start_ns` on. Where a book could not be believed it is empty until the next."""
    yield RecordedBook(time_ns=start_ns, bids=(), asks=(), snapshot=True)
    one = Decimal(1).scaleb(-events.price_decimals), Decimal(1).scaleb(-events.quantity_decimals)
    sides: tuple[Ladder, Ladder] = ({}, {})
    for row in np.flatnonzero(np.isin(events.kind, (BOOK, TRADE, INVALID))).tolist():
        time_ns = max(int(events.ts[row]), start_ns)
        if events.kind[row] == TRADE:
            yield RecordedTrade(
                time_ns=time_ns,
                side="buy" if events.side[row] > 0 else "sell",
                price=int(events.price[row]) * one[0],
                quantity=int(events.quantity[row]) * one[1],
            )
            continue
        ladders = (
            (events.bid_prices[row], events.bid_quantities[row]),
            (events.ask_prices[row], events.ask_quantities[row]),
        )
        now = tuple(
            {price: amount for price, amount in zip(prices.tolist(), amounts.tolist(), strict=True) if amount}
            for prices, amounts in ladders
        )
        bids, asks = (_changes(before, after, one) for before, after in zip(sides, now, strict=True))
        sides = (now[0], now[1])
        if bids or asks:
            yield RecordedBook(time_ns=time_ns, bids=bids, asks=asks)


def _changes(before: Ladder, after: Ladder, one: tuple[Decimal, Decimal]) -> tuple[PriceLevel, ...]:
    """Levels of `after` that `before` has not, and those that are gone with a quantity of 0."""
    gone = [(price * one[0], Decimal(0)) for price in before if price not in after]
    come = [
        (price * one[0], amount * one[1]) for price, amount in after.items() if before.get(price) != amount
    ]
    return (*gone, *come)


def listing_of(
    instrument: Instrument, events: MarketEvents, costs: CostsConfig, fidelity: FidelityConfig
) -> Listing:
    """What the venue lists the pair with: our tick and lot, and the fees of the run. What closes is never too small."""
    makers, takers = _fees(costs, fidelity)
    return Listing(
        base=_asset(instrument.base),
        quote=_asset(instrument.quote),
        price_decimals=max(instrument.price_decimals, events.price_decimals),
        quantity_decimals=max(instrument.qty_decimals, 0),
        cost_decimals=COST_DECIMALS,
        tick_size=instrument.price_tick,
        quantity_min=instrument.lot,
        cost_min=Decimal(0),
        start_price=instrument.price_tick,
        taker_fees=takers,
        maker_fees=makers,
    )


def _fees(costs: CostsConfig, fidelity: FidelityConfig) -> tuple[FeeSteps, FeeSteps]:
    """Makers' and takers' in per cent, from the volume that is traded here on."""
    tiers = fidelity.tiers or ((Decimal(0), costs.maker_fee, costs.taker_fee),)
    elsewhere = int(fidelity.volume_elsewhere)
    steps = {max(int(least) - elsewhere, 0): (maker, taker) for least, maker, taker in tiers}
    makers = tuple((least, maker * _HUNDRED) for least, (maker, _) in steps.items())
    return makers, tuple((least, taker * _HUNDRED) for least, (_, taker) in steps.items())


def _asset(name: str) -> Asset:
    return Asset(
        name=name, rest_id=name, altname=name, decimals=ASSET_DECIMALS, display_decimals=COST_DECIMALS
    )
