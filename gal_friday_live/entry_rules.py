"""A strategy's own rule over the bars of every series, live: fed beside the features, asked by the strategy."""

from collections.abc import Iterable, Mapping

from gal_friday_core.candles import Candles, Series
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.strategies.protocol import EntryRule


class EntryRules:
    """`history` holds the bars before the first live one; with `rule.reach` of them the answers are those of all history.

    Raises DataError where it is damaged.
    """

    def __init__(
        self, rule: EntryRule, series: Iterable[Series], history: Mapping[Series, Candles] | None = None
    ) -> None:
        self._streams = {item: rule.stream(item.interval_ns) for item in series}
        self._fired: dict[tuple[str, str], int] = {}
        for item, stream in self._streams.items():
            past = (history or {}).get(item)
            if past is not None and len(past):
                stream.extend(past[-rule.reach :])

    def fill(self, series: Series, missed: Candles) -> None:
        """Take bars that were missed; nothing is entered on them any more."""
        self._streams[series].extend(missed)

    def update(self, series: Series, bar: MarketDataOHLCV) -> None:
        """Take the next closed bar. Raises DataError for one that is not later than the last."""
        if self._streams[series].update(bar.timestamp_bar_start, float(bar.close)):
            self._fired[series.venue, series.pair] = bar.timestamp_bar_start + series.interval_ns

    def take(self, venue: str, pair: str, close_ns: int) -> bool:
        """Whether the rule fired at this close of the pair; a firing is told once."""
        if self._fired.get((venue, pair)) != close_ns:
            return False
        del self._fired[venue, pair]
        return True
