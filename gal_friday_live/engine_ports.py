"""What one engine, or one role of a split one, needs from the world."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gal_friday_core import __version__
from gal_friday_core.candles import Candles, Series
from gal_friday_core.exchange_of_run import Recorded
from gal_friday_core.experiments.traffic import Traffic
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Clock, Exchange, Feed, Ids, Models
from gal_friday_core.strategies.registry import STRATEGIES, Factory
from gal_friday_live.feature_engine import Rows
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.ids import random_ids
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.model_roster import ModelOverride
from gal_friday_live.surroundings import Surroundings


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What one engine needs from the world. Without an exchange it trades on a simulated one.

    `history` holds the bars before the feed's first, `historical` fetches what the feed misses; `instruments` one for each series' pair.
    `simulated` says that the exchange moves no real money: only there may a model trade that the gates refused.
    With `surroundings` the engine watches them, reconciles its account, and resumes only by a checklist. `timer`
    counts seconds for every pause and duration; it never jumps. Models that are slow predict in the `pool`. `rows` of features are
    taken as they are given, where another engine's are to be traded again; orders on a simulated exchange meet what was
    `recorded` of their pair, else bars. `strategies` are those that `strategy.id` may name.
    """

    series: Sequence[Series]
    instruments: Sequence[Instrument]
    clock: Clock
    feed: Feed
    models: Models
    journal: SessionJournal
    ids: Ids = field(default_factory=random_ids)
    exchange: Exchange | None = None
    history: Mapping[Series, Candles] = field(default_factory=dict)
    rows: Rows | None = None
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    historical: HistoricalDataService | None = None
    override: ModelOverride | None = None
    simulated: bool = False
    code_version: str = __version__
    surroundings: Surroundings | None = None
    experiments: Traffic | None = None
    on_bar: Callable[[int, Decimal], None] | None = None
    health_every_s: float | None = None
    timer: Callable[[], float] = time.monotonic
    pool: Callable[[], InferencePool] = InferencePool
    strategies: Mapping[str, Factory] = field(default_factory=lambda: STRATEGIES)
