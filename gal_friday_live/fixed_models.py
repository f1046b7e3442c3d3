"""Models held in memory, behind the port of the registry: what a backtest trades."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import RegistryError
from gal_friday_core.predictor import Predictor


class FixedModels:
    """`production` are those given, until `promote` puts others in their place; `stage` adds a shadow, `demote` takes one out."""

    def __init__(self, *predictors: Predictor) -> None:
        self._production = {predictor.model_type: predictor for predictor in predictors}
        self._known = {predictor.model_id: predictor for predictor in predictors}
        self._staging: dict[str, Predictor] = {}
        self._restrictions: list[Restriction] = []
        self._hints: asyncio.Queue[str] = asyncio.Queue()

    async def production(self, model_type: str) -> Predictor | None:
        return self._production.get(model_type)

    async def types(self, series: str) -> Sequence[str]:
        served = (*self._production.values(), *self._staging.values())
        return sorted({series, *(model.model_type for model in served if model.metadata.series == series)})

    async def shadows(self, model_type: str) -> Sequence[str]:
        return [model_id for model_id, model in self._staging.items() if model.model_type == model_type]

    async def by_id(self, model_id: str) -> Predictor:
        if model_id not in self._known:
            raise RegistryError(f"unknown model {model_id}")
        return self._known[model_id]

    async def restrictions(self, model_id: str) -> Sequence[Restriction]:
        return [row for row in self._restrictions if row.model_id == model_id]

    async def promotions(self) -> AsyncIterator[str]:
        while True:
            yield await self._hints.get()

    def promote(self, predictor: Predictor) -> None:
        """Listeners are told at their next turn."""
        self._known[predictor.model_id] = predictor
        self._staging.pop(predictor.model_id, None)
        self._production[predictor.model_type] = predictor
        self._hints.put_nowait(predictor.model_type)

    def demote(self, model_id: str) -> None:
        """Out of production, or out of staging; listeners are told at their next turn."""
        model_type = self._known[model_id].model_type
        for stage in (self._production, self._staging):
            for name, predictor in tuple(stage.items()):
                if predictor.model_id == model_id:
                    del stage[name]
        self._hints.put_nowait(model_type)

    def stage(self, predictor: Predictor) -> None:
        """Score it in the shadow of production; listeners are told at their next turn."""
        self._known[predictor.model_id] = predictor
        self._staging[predictor.model_id] = predictor
        self._hints.put_nowait(predictor.model_type)

    def restrict(self, row: Restriction) -> None:
        """One step of the drift ladder; listeners are told at their next turn."""
        self._restrictions.append(row)
        self._hints.put_nowait(row.model_type)
