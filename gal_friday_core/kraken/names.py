"""Kraken's several names for one asset or pair, and the one that this engine uses (that of websocket v2).

KRAKEN_PROTOCOL §1: REST says XXBT and XXBTZUSD, accepts XBTUSD, once said XBT/USD; the websocket says BTC/USD.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from gal_friday_core.errors import ContractError

_LEGACY = {
    **{f"X{name}": name for name in ("ETC", "ETH", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC")},
    **{f"Z{name}": name for name in ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")},
    "XXBT": "BTC",
    "XBT": "BTC",
    "XXDG": "DOGE",
    "XDG": "DOGE",
}


def asset_name(text: str) -> str:
    """Our name of an asset; a suffix stays, since staked or opted-in coins are not there to be traded.

    >>> asset_name("XXBT"), asset_name("ZUSD"), asset_name("XBT.M"), asset_name("SOL")
    ('BTC', 'USD', 'BTC.M', 'SOL')
    """
    name, point, suffix = text.partition(".")
    return f"{_LEGACY.get(name, name)}{point}{suffix}"


class PairNames:
    """Finds a pair by any of its names. Made from AssetPairs: REST ids cannot be taken apart by rule."""

    def __init__(self, spellings: Mapping[str, str], rest_names: Mapping[str, str]) -> None:
        self._spellings = spellings
        self._rest_names = rest_names

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str, str]]) -> "PairNames":
        """From (REST id, altname, wsname) of each pair.

        >>> names = PairNames.of([("XXBTZUSD", "XBTUSD", "XBT/USD")])
        >>> names.symbol("XXBTZUSD"), names.symbol("XBTUSD"), names.rest("BTC/USD")
        ('BTC/USD', 'BTC/USD', 'XBTUSD')
        """
        spellings: dict[str, str] = {}
        rest_names: dict[str, str] = {}
        for rest_id, altname, wsname in pairs:
            symbol = "/".join(map(asset_name, wsname.split("/")))
            spellings |= dict.fromkeys((rest_id, altname, wsname, symbol), symbol)
            rest_names[symbol] = altname
        return cls(spellings, rest_names)

    @property
    def spellings(self) -> AbstractSet[str]:
        """Every name that is known."""
        return self._spellings.keys()

    def symbol(self, spelling: str) -> str:
        """The pair as this engine calls it. Raises ContractError for one that is not listed."""
        try:
            return self._spellings[spelling]
        except KeyError:
            raise ContractError(
                f"Kraken names a pair {spelling!r} that its AssetPairs does not list"
            ) from None

    def rest(self, symbol: str) -> str:
        """The name to ask REST by. Raises ContractError for a pair that is not listed."""
        try:
            return self._rest_names[symbol]
        except KeyError:
            raise ContractError(f"Kraken does not list {symbol}: check `market.pairs`") from None
