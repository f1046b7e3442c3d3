"""A candidate against the model in production, on the same bars, which neither has seen in any way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.config import Config
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.labels import Labels
from gal_friday_core.predictor import Predictor
from gal_friday_core.resampling import UNKNOWN, Blocks, Estimate, ratio
from gal_friday_core.scores import log_losses
from gal_friday_core.training_set import asked, label_bars
from gal_friday_core.validation import RESAMPLES

MIN_EVENTS = 100
"""Fewer common events decide nothing."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """`gain`: the incumbent's log loss less the candidate's, per event, paired; unknown where `about` says why."""

    incumbent: str
    events: int
    gain: Estimate
    about: str


def challenge(
    candidate: Predictor,
    incumbent: Predictor,
    candles: Candles,
    table: FeatureTable,
    config: Config,
    *,
    block_events: int,
    incumbent_table: FeatureTable | None = None,
) -> Challenge | None:
    """Both on the later of their holdouts, at every `training.stride_bars`-th bar.

    `incumbent_table` holds the same bars where the incumbent takes other features. Models of different trades are
    not compared: their probabilities mean different things. `block_events`: length of a bootstrap block. None
    where the candidate is the incumbent itself, byte for byte.
    """
    if candidate.artifact_sha256 == incumbent.artifact_sha256:
        return None
    other = incumbent_table or table
    if not same_trade(candidate, incumbent):
        return _undecided(incumbent, 0, "predicts another trade: watch both in shadow and decide by name")
    candidate.require_schema(table.schema.hash)
    incumbent.require_schema(other.schema.hash)
    start = max(candidate.metadata.holdout_start_ns, incumbent.metadata.holdout_start_ns)
    unseen, rows = _unseen(candles, table, other, config, start)
    if len(unseen) < MIN_EVENTS:
        return _undecided(
            incumbent,
            len(unseen),
            f"has {len(unseen):,} events in common, {MIN_EVENTS} are needed: wait for newer candles",
        )
    saved = log_losses(incumbent.predict(other.values[rows]), unseen.label) - log_losses(
        candidate.predict(table.values[rows]), unseen.label
    )
    rng = np.random.default_rng(config.training.seed)
    blocks = Blocks.draw(len(saved), block_events, RESAMPLES, rng)
    gain = ratio(blocks, saved, np.ones(len(saved)), config.gates.confidence)
    return Challenge(incumbent.model_id, len(saved), gain, _in_words(incumbent, len(saved), gain))


def same_trade(one: Predictor, another: Predictor) -> bool:
    """Whether both predict the same trade at the same costs."""
    return _trade(one) == _trade(another)


def _trade(model: Predictor) -> tuple[object, ...]:
    said = model.metadata
    return said.series, said.target, said.label, said.barriers, said.costs


def _undecided(incumbent: Predictor, events: int, about: str) -> Challenge:
    return Challenge(incumbent.model_id, events, UNKNOWN, f"{incumbent.model_id} in production {about}")


def _in_words(incumbent: Predictor, events: int, gain: Estimate) -> str:
    if gain.value is None or gain.low is None or gain.high is None:
        return f"{incumbent.model_id} in production: no confidence interval could be drawn"
    return (
        f"log loss lower than that of {incumbent.model_id} in production by {gain.value:+.5f} "
        f"({gain.low:+.5f} to {gain.high:+.5f}) over {events:,} events that neither has seen"
    )


def _unseen(
    candles: Candles, table: FeatureTable, other: FeatureTable, config: Config, start_ns: int
) -> tuple[Labels, NDArray[np.int64]]:
    """Labels of bars that open at or after `start_ns`, where both tables are complete, and their rows in both."""
    labels = label_bars(candles, table, config, config.costs)
    opened = candles.ts[labels.index]
    on_stride = opened // candles.series.interval_ns % config.training.stride_bars == 0
    labels = labels[(opened >= start_ns) & on_stride]
    rows = np.searchsorted(table.ts, candles.ts[labels.index])
    complete = table.finite_rows()[rows] & other.finite_rows()[rows]
    complete &= asked(table.values[rows], table.schema, config)
    return labels[complete], rows[complete]
