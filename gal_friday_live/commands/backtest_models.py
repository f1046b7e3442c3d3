"""The models of a backtest: the one that trades, and the one that trades the same bars beside it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gal_friday_core.candles import Series
from gal_friday_core.errors import RegistryError

if TYPE_CHECKING:
    from gal_friday_core.predictor import Predictor
    from gal_friday_core.tearsheet.deflation import Tried
    from gal_friday_live.configuration import ConfigurationManager

PRODUCTION = "production"
"""What `--compare` calls the model that trades."""


@dataclass(frozen=True, slots=True)
class Models:
    """What trades, how many it was chosen from as far as its artifact says, and what trades the same bars beside it."""

    traded: "Predictor | None" = None
    tried: "Tried | None" = None
    beside: "Predictor | None" = None


def models(
    manager: "ConfigurationManager",
    model_id: str | None,
    compare: str | None,
    series: Series,
    *,
    by_model: bool,
) -> Models:
    """The model to trade: that of the registry by its name, else the one in production; and the one to compare with, where
    one is named, else production's, where that is another. No database is opened where neither is asked for.

    Raises RegistryError for one that there is not.
    """
    if not by_model and compare is None:
        return Models()
    return asyncio.run(_registered(manager, model_id, compare, series, by_model=by_model))


async def _registered(
    manager: "ConfigurationManager",
    model_id: str | None,
    compare: str | None,
    series: Series,
    *,
    by_model: bool,
) -> Models:
    from gal_friday_core.tearsheet.tried import tried_of
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.model_registry import ModelRegistry

    async with open_database(manager.config) as database:
        registry = ModelRegistry(manager, database)
        production = None
        if compare in {None, PRODUCTION} or (by_model and model_id is None):
            production = await registry.production(series.key)
        named = compare not in {None, PRODUCTION}
        beside = await registry.by_id(str(compare)) if named else production
        if compare is not None and beside is None:
            raise RegistryError(
                f"{series.key} has no production model to compare with: name one with --compare"
            )
        if not by_model:
            return Models(beside=beside)
        traded = production if model_id is None else await registry.by_id(model_id)
        if traded is None:
            raise RegistryError(
                f"{series.key} has no production model: name one with --model (gal-friday models list), train "
                "with gal-friday up, or trade a rule with --strategy ema_cross"
            )
        tried = tried_of((await registry.get_model(traded.model_id, None)).files)
    same = beside is None or beside.model_id == traded.model_id
    return Models(traded, tried, None if same else beside)
