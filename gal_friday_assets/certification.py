"""From a sealed candidate to its place in the registry: judged against the outside, registered, certified."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.feature_store import read_features
from gal_friday_assets.resources import Registry
from gal_friday_core.candles import Series
from gal_friday_core.certificate import Certificate
from gal_friday_core.config import Config
from gal_friday_core.evidence.challenge import Challenge
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.gates import certify, look_outside
from gal_friday_core.predictor import Predictor
from gal_friday_core.resampling import UNKNOWN
from gal_friday_live.model_registry import ModelRegistry


def judge(
    files: Mapping[str, bytes],
    series: Series,
    *,
    lake: CandleLake,
    tables: TableLake,
    config: Config,
    incumbent: Predictor | None,
) -> Certificate:
    """The certificate of a candidate for `series`: all of its own evidence, live parity, and the incumbent."""
    candles = lake.read(series)
    table = read_features(tables, candles, CANDLES_V1)
    comparable = incumbent is not None and incumbent.schema_hash == table.schema.hash
    outside = look_outside(files, candles, table, config, incumbent=incumbent if comparable else None)
    if incumbent is not None and not comparable:
        outside = dataclasses.replace(outside, challenge=_incomparable(incumbent))
    return certify(files, config.gates, outside, model_type=series.key)


def _incomparable(incumbent: Predictor) -> Challenge:
    said = f"{incumbent.model_id} in production takes other features: watch both in shadow and decide by name"
    return Challenge(incumbent.model_id, 0, UNKNOWN, said)


def register(
    registry: Registry, files: Mapping[str, bytes], origin: Mapping[str, Any], certificate: Certificate
) -> str:
    """The model's id, certified. A model that is in production keeps the certificate that it came there with."""

    async def conversation(models: ModelRegistry) -> str:
        model_id = await models.register_model(files, origin)
        known = await models.get_model_metadata(model_id)
        if known["stage"] != "production" or known["certificate"] is None:
            await models.certify_model(model_id, certificate)
        return model_id

    return registry.call(conversation)
