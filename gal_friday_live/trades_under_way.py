"""The trades that an earlier run began and this one must end on time: by which rule, and how far they are."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig
from gal_friday_core.errors import ArtifactError, RegistryError
from gal_friday_core.journal import JournalLine
from gal_friday_core.orders import Purpose
from gal_friday_core.portfolio import Position
from gal_friday_core.predictor import Predictor
from gal_friday_live import intents


class TradeUnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """`barriers` of the model that entered, None where it is not known; `bars_held` closed since the entry."""

    barriers: BarriersConfig | None
    bars_held: int
    opened_at: int | None


class Lines(Protocol):
    def lines(self, kinds: Sequence[str]) -> AsyncIterator[JournalLine]: ...


class ModelsById(Protocol):
    async def by_id(self, model_id: str) -> Predictor: ...


class Positions(Protocol):
    def position(self, pair: str) -> Position: ...


class _Intent(msgspec.Struct):
    trading_pair: str
    purpose: Purpose
    model_id: str | None = None


async def trades_under_way(
    *,
    journal: Lines,
    models: ModelsById,
    positions: Positions,
    series: Sequence[Series],
    history: Mapping[Series, Candles],
) -> dict[str, TradeUnderWay]:
    """One for each pair of which something is held; the model is that of the pair's last entry."""
    held = {item.pair: item for item in series if positions.position(item.pair).quantity}
    if not held:
        return {}
    entered: dict[str, str | None] = {}
    async for line in journal.lines((intents.KIND,)):
        intent = msgspec.json.decode(line.record, type=_Intent)
        if intent.purpose == "ENTRY":
            entered[intent.trading_pair] = intent.model_id
    found = {}
    for pair, item in held.items():
        opened_at = positions.position(pair).opened_at
        found[pair] = TradeUnderWay(
            barriers=await _barriers(models, entered.get(pair)),
            bars_held=_bars_since(history.get(item), opened_at),
            opened_at=opened_at,
        )
    return found


async def _barriers(models: ModelsById, model_id: str | None) -> BarriersConfig | None:
    if model_id is None:
        return None
    try:
        return (await models.by_id(model_id)).barriers
    except (RegistryError, ArtifactError):
        return None  # the position came to us without it, and goes by the configured rule


def _bars_since(candles: Candles | None, opened_at: int | None) -> int:
    if candles is None or opened_at is None:
        return 0
    closes = candles.ts + candles.series.interval_ns
    return len(closes) - int(np.searchsorted(closes, opened_at, side="right"))
