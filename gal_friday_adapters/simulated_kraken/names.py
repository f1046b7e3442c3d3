"""Finds a pair or an asset by whatever a client calls it."""

from collections.abc import Iterable

from gal_friday_core.venue.listings import Asset, Listing


class Directory:
    """The exchange's list of pairs, by websocket symbol, `wsname`, `altname` and REST id."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self.listings = {listing.symbol: listing for listing in listings}
        self._pairs = {
            spelling: listing
            for listing in self.listings.values()
            for spelling in (
                listing.symbol,
                listing.symbol.replace("/", ""),
                listing.wsname,
                listing.altname,
                listing.rest_id,
            )
        }
        self.assets: dict[str, Asset] = {}
        for listing in self.listings.values():
            self.assets.setdefault(listing.base.name, listing.base)
            self.assets.setdefault(listing.quote.name, listing.quote)
        self._assets = {
            spelling: asset
            for asset in self.assets.values()
            for spelling in (asset.name, asset.altname, asset.rest_id)
        }

    def pair(self, spelling: str) -> Listing | None:
        return self._pairs.get(spelling)

    def asset(self, spelling: str) -> Asset | None:
        return self._assets.get(spelling)


def answer_key(asked: str, listing: Listing) -> str:
    """How an answer is keyed: a name with a slash is echoed, any other becomes the REST id.

    `python-kraken-sdk` asks for `BTC/USD` and reads the answer under `BTC/USD`; whoever asks for `XBTUSD` is
    answered under `XXBTZUSD`.
    """
    return asked if "/" in asked else listing.rest_id
