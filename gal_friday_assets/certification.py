"""From a registered candidate to its certificate: judged against the outside, signed, stored."""

import dataclasses
from collections.abc import Callable, Mapping

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.paths import flights_dir
from gal_friday_assets.feature_store import learnable
from gal_friday_assets.resources import Registry
from gal_friday_core.candles import Series
from gal_friday_core.certificate import Certificate
from gal_friday_core.config import Config
from gal_friday_core.evidence.challenge import Challenge
from gal_friday_core.features.registry import feature_set
from gal_friday_core.gates import certify as decide
from gal_friday_core.gates import look_outside
from gal_friday_core.predictor import Predictor
from gal_friday_core.resampling import UNKNOWN
from gal_friday_live.flight.heard import heard_features
from gal_friday_live.model_registry import ModelRegistry


def judge(
    files: Mapping[str, bytes],
    series: Series,
    *,
    lake: CandleLake,
    tables: TableLake,
    config: Config,
    incumbent: Predictor | None,
    model_type: str | None = None,
) -> Certificate:
    """The certificate of a candidate for `series`: all of its own evidence, live parity, and the incumbent."""
    candles, table = learnable(lake, tables, series, feature_set(config.training.feature_set))
    comparable = incumbent is not None and incumbent.schema_hash == table.schema.hash
    heard = heard_features(flights_dir(config), series, table.schema, config.validation.replayed_bars)
    said = heard.table if len(heard.table) or heard.left_out else None
    outside = look_outside(
        files, candles, table, config, incumbent=incumbent if comparable else None,
        heard=said, heard_from=heard.source,
    )  # fmt: skip
    if incumbent is not None and not comparable:
        outside = dataclasses.replace(outside, challenge=_incomparable(incumbent))
    return decide(files, config.gates, outside, model_type=model_type or series.key)


def _incomparable(incumbent: Predictor) -> Challenge:
    said = f"{incumbent.model_id} in production takes other features: watch both in shadow and decide by name"
    return Challenge(incumbent.model_id, 0, UNKNOWN, said)


def certify(
    registry: Registry, model_id: str, model_type: str, judge: Callable[..., Certificate]
) -> Certificate:
    """The certificate that counts, signed and stored; `judge` makes it, given the `incumbent` of the type.

    A model that is in production keeps the one that it came there with: it is not compared with itself.
    The registry is not kept waiting while it judges.
    """
    kept, incumbent = registry.call(lambda models: _before(models, model_id, model_type))
    if kept is not None:
        return kept
    made = judge(incumbent=incumbent)
    registry.call(lambda models: models.certify_model(model_id, made))
    return made


async def _before(
    models: ModelRegistry, model_id: str, model_type: str
) -> tuple[Certificate | None, Predictor | None]:
    """The certificate that is kept, if any, and the model in production that another is compared with."""
    incumbent = await models.production(model_type)
    if incumbent is not None and incumbent.model_id == model_id:
        return await models.get_certificate(model_id), None
    return None, incumbent
