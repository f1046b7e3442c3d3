"""The three kinds of strands, with the columns of 004: what an alpha, the decision maker and the trader write.

JSON columns are mappings of JSON's own types, money as text (`codec` makes them from events). `id` and the two times
are the server's: empty in a strand that was not written yet.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.strands.tags import Module, Tags

Json = Mapping[str, Any]
Table = Literal["ad_strands", "dm_strands", "tr_strands"]

SIGNAL: Final = "signal"
DECISION: Final = "decision"
EXECUTION_PLAN: Final = "execution_plan"
EXECUTION: Final = "execution"
STATE: Final = "state"
WITHDRAWAL: Final = "withdrawal"
"""What a strand is about (`kind`): a plan, its verdict, what is to be done, what was done; a halt, a cash flow or
another state that the others must know of; and entries that are to wait no longer. A new kind needs no change of the tables."""


class AdStrand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alpha's: a plan with what led to it. `sig_direction` is the side; `module_intelligence` its provenance."""

    kind: str
    tags: tuple[str, ...] = ()
    module: str = "alpha"
    symbol: str | None = None
    timeframe: str | None = None
    session_bucket: str | None = None
    regime: str | None = None
    sig_sigma: float | None = None
    sig_confidence: float | None = None
    sig_direction: str | None = None
    trading_plan: Json | None = None
    signal_pack: Json | None = None
    dsi_evidence: Json | None = None
    regime_context: Json | None = None
    event_context: Json | None = None
    module_intelligence: Json | None = None
    curator_feedback: Json | None = None
    id: str = ""
    created_at: Nanoseconds | None = None
    updated_at: Nanoseconds | None = None


class DmStrand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The decision maker's: a verdict, or what the trader shall do. `dm_alpha` is the provenance of the plan."""

    kind: str
    tags: tuple[str, ...] = ()
    module: str = "dm"
    symbol: str | None = None
    timeframe: str | None = None
    session_bucket: str | None = None
    regime: str | None = None
    dm_alpha: Json | None = None
    dm_budget: Json | None = None
    dm_decision: Json | None = None
    risk_metrics: Json | None = None
    portfolio_impact: Json | None = None
    asymmetries: Json | None = None
    curator_decisions: Json | None = None
    id: str = ""
    created_at: Nanoseconds | None = None
    updated_at: Nanoseconds | None = None


class TrStrand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The trader's: what became of an order. `tr_execution` is the report, `tr_fills` the fill in it, if any."""

    kind: str
    tags: tuple[str, ...] = ()
    module: str = "trader"
    symbol: str | None = None
    timeframe: str | None = None
    session_bucket: str | None = None
    regime: str | None = None
    tr_execution: Json | None = None
    tr_outcome: Json | None = None
    tr_venue_performance: Json | None = None
    tr_slippage: Json | None = None
    tr_latency: Json | None = None
    tr_fills: Json | None = None
    id: str = ""
    created_at: Nanoseconds | None = None
    updated_at: Nanoseconds | None = None


Strand = AdStrand | DmStrand | TrStrand

TABLES: Final[Mapping[Module, Table]] = {"alpha": "ad_strands", "dm": "dm_strands", "trader": "tr_strands"}
"""Whose table is whose."""
KINDS: Final[Mapping[Table, type[Strand]]] = {
    "ad_strands": AdStrand,
    "dm_strands": DmStrand,
    "tr_strands": TrStrand,
}


def tags_of(strand: Strand) -> Tags:
    """Its tags, read. Raises ContractError as `Tags.parse` does."""
    return Tags.parse(strand.tags)
