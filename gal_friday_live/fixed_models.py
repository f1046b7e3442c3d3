"""One model, held in memory, behind the port of the registry: what a backtest trades."""

import asyncio
from collections.abc import AsyncIterator

from gal_friday_core.errors import RegistryError
from gal_friday_core.predictor import Predictor


class FixedModels:
    """`production` is the one given, until `promote` puts another in its place."""

    def __init__(self, *predictors: Predictor) -> None:
        self._production = {predictor.model_type: predictor for predictor in predictors}
        self._known = {predictor.model_id: predictor for predictor in predictors}
        self._hints: asyncio.Queue[str] = asyncio.Queue()

    async def production(self, model_type: str) -> Predictor | None:
        return self._production.get(model_type)

    async def by_id(self, model_id: str) -> Predictor:
        if model_id not in self._known:
            raise RegistryError(f"unknown model {model_id}")
        return self._known[model_id]

    async def promotions(self) -> AsyncIterator[str]:
        while True:
            yield await self._hints.get()

    def promote(self, predictor: Predictor) -> None:
        """Listeners are told at their next turn."""
        self._known[predictor.model_id] = predictor
        self._production[predictor.model_type] = predictor
        self._hints.put_nowait(predictor.model_type)
