"""The terms on which a model that the gates refused may trade paper money, the same in backtest and paper."""

import numpy as np

from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Series
from gal_friday_core.features.streams import REACH, compute
from gal_friday_core.predictor import Predictor
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.replay_data import history_before

REASON = "refused by the gates; trades paper money only, so that the whole path is seen"
QUANTILE = 0.95
RECENT_BARS = 5_000
"""A refused model may never reach its own threshold. Under the override it enters on the most confident
twentieth of its predictions over this many bars before the first it trades: volatility moves the level of
all of them, so older predictions would be no measure."""


def override_for(
    predictor: Predictor, lake: CandleLake, start_ns: int | None, reason: str = REASON
) -> ModelOverride:
    """Terms for trading from `start_ns` (None: from now), a function of the model and the stored bars before it."""
    series = Series.parse(predictor.metadata.series)
    recent = history_before(lake, series, start_ns, RECENT_BARS + REACH)
    values = compute(recent, predictor.schema).values[-RECENT_BARS:]
    predictions = predictor.predict(values)
    primary = predictor.metadata.primary
    asked = np.isfinite(predictions) & (True if primary is None else primary.fires(values, predictor.schema))
    known = predictions[asked]
    usual = float(np.quantile(known, QUANTILE)) if len(known) else predictor.entry_threshold
    return ModelOverride(
        model_id=predictor.model_id, entry_threshold=min(predictor.entry_threshold, usual), reason=reason
    )
