"""A recorded session as the market of the simulated exchange."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import SERVER
from gal_friday_core.errors import ContractError, DataError
from gal_friday_core.kraken.wire import BookMessage, InstrumentMessage, Message, Pair, decode
from gal_friday_core.venue.listings import DEMO_LISTINGS, Asset, Listing
from gal_friday_core.venue.markets import OutsideMarket
from gal_friday_core.venue.recorded_market import RecordedMarket, recorded

_DEMO = {listing.symbol: listing for listing in DEMO_LISTINGS}
_ASSETS = {asset.name: asset for listing in DEMO_LISTINGS for asset in (listing.base, listing.quote)}
TWO = Decimal(2)


def recorded_markets(session: Path) -> tuple[tuple[Listing, ...], dict[str, OutsideMarket]]:
    """The pairs whose book a session holds, and their markets, which replay it from the venue's start.

    Precisions come from the session's instrument message, else from the pairs known by heart. Raises
    DataError where the session has no book, or one of a pair with unknown precisions.
    """
    pairs: dict[str, Pair] = {}
    opening: dict[str, Decimal] = {}
    for _, message in messages(session):
        if isinstance(message, InstrumentMessage):
            pairs |= {pair.symbol: pair for pair in message.data.pairs}
        elif isinstance(message, BookMessage) and message.type == "snapshot":
            book = message.data[0]
            if book.bids and book.asks:
                opening.setdefault(book.symbol, (book.bids[0].price + book.asks[0].price) / TWO)
    if not opening:
        raise DataError(f"{session} holds no book snapshot: record a session with the book channel")
    listings = tuple(_listing(symbol, price, pairs.get(symbol), session) for symbol, price in opening.items())
    markets: dict[str, OutsideMarket] = {
        symbol: RecordedMarket(recorded(messages(session), symbol)) for symbol in opening
    }
    return listings, markets


def messages(session: Path) -> Iterator[tuple[int, Message]]:
    """What the exchange sent, with the times of receipt in ns; damaged messages are left out."""
    for record in Session(session):
        if record.kind != SERVER:
            continue
        try:
            yield record.ts_ns, decode(record.message)
        except ContractError:
            continue  # `feed verify` is the judge of a session; a market replays what it can


def _listing(symbol: str, price: Decimal, pair: Pair | None, session: Path) -> Listing:
    if pair is None and symbol not in _DEMO:
        raise DataError(
            f"{session} says nothing of the precisions of {symbol}: record the instrument channel too"
        )
    listing = _DEMO[symbol] if pair is None else _listed(pair)
    return replace(listing, start_price=price)


def _listed(pair: Pair) -> Listing:
    return Listing(
        base=_asset(pair.base),
        quote=_asset(pair.quote),
        price_decimals=pair.price_precision,
        quantity_decimals=pair.qty_precision,
        cost_decimals=int(pair.cost_precision),
        tick_size=pair.tick_size or pair.price_increment,
        quantity_min=pair.qty_min,
        cost_min=pair.cost_min,
        start_price=pair.price_increment,
    )


def _asset(name: str) -> Asset:
    """As known by heart; a newer asset has one name everywhere."""
    known = _ASSETS.get(name)
    return known or Asset(name=name, rest_id=name, altname=name, decimals=8, display_decimals=5)
