"""A recorded Kraken session through the live client: the same code, the same decisions, the session's time."""

from collections.abc import Iterable

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.sessions.records import Record
from gal_friday_adapters.sessions.replay import SessionFeed
from gal_friday_adapters.sessions.session_time import MovedClock, SessionTime
from gal_friday_adapters.sessions.survey import CHANNELS, Survey
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.ports import Feed, Transport

VENUE = "kraken"
PATIENCE = Patience(
    silence_s=32.0, answer_s=1e9, retry_s=0.0, retry_max_s=0.0, attempts=1_000_000, first_attempts=1_000_000
)
"""In a replay the record decides when a line comes, what is answered and when it breaks: the client neither
waits nor asks twice, and looks at its line every two seconds."""


def kraken_session(
    session: Iterable[Record],
    found: Survey,
    clock: MovedClock,
    *,
    interval: str = "1m",
    speed: float | None = None,
    patience: Patience = PATIENCE,
) -> SessionFeed:
    """The session as a feed of every pair in it. Raises DataError where no pair of it can be read."""
    pairs = found.usable
    if not pairs:
        raise DataError(
            "this session tells the instrument of no pair that it has books or trades of: record with the "
            "instrument channel, or put an instrument message before the others"
        )
    channels = [name for name in CHANNELS if found.pairs[name]]

    def make_feed(transport: Transport, time: SessionTime) -> Feed:
        return KrakenClient(
            [Series(VENUE, pair, interval) for pair in pairs],
            time,
            depth=found.depth,
            channels=channels,
            transport=transport,
            patience=patience,
            jitter=lambda: 0.0,
            timer=time.timer,
            sleep=time.sleep,
        )

    return SessionFeed(session, clock, make_feed, speed=speed)
