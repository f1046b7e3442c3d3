"""All that one check reads, gathered by whoever asks it."""

from typing import Literal

import msgspec

from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.instruments import Instrument
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.correlation import Correlations
from gal_friday_core.risk.quote import Quote
from gal_friday_core.risk.rules import NamedRule

TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]


class Desk(msgspec.Struct, frozen=True, gc=False):
    """Who trades what, within which limits, at which costs, at what time, in which market.

    `block` is the code and reason of the gate, where one stands. `market_fault` and `model_fault` say why the
    pair's market is not known, or why the model may not trade; empty where there is nothing. `restriction` is what
    drift restricts the model to. `quote` is None
    where no live book exists (stored bars). `volatility` is the standard deviation of one bar's log return and
    `bars_a_day` how many of them make a day; NaN where not known. `rules` are those of installed packages.
    """

    state: PortfolioState
    instrument: Instrument
    limits: RiskConfig
    costs: CostsConfig
    reservations: Reservations
    now_ns: int
    trading: TradingState = "ACTIVE"
    block: tuple[str, str] | None = None
    market_fault: str = ""
    model_fault: str = ""
    restriction: Restriction | None = None
    quote: Quote | None = None
    conduct: Conduct = msgspec.field(default_factory=Conduct)
    correlations: Correlations | None = None
    volatility: float = float("nan")
    bars_a_day: float = 1440.0
    rules: tuple[NamedRule, ...] = ()
