"""Outcomes of a running experiment, from what the journal and the lake already hold: nothing is measured twice.

Shadow experiments join recorded predictions with the labels of their bars, split traffic joins assignments with
the fills of real orders. Observing again gives the same outcomes and the ones that became known since.
"""

import asyncio
from itertools import groupby
from typing import Any

import numpy as np

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres.experiments import Assignment, ExperimentRepository, Outcome, Stored
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.experiments.design import Design
from gal_friday_core.experiments.outcomes import Paired
from gal_friday_core.experiments.pairing import Said, paired
from gal_friday_core.experiments.trades import Turn, earned, trades_of
from gal_friday_core.features.drivers import FeatureTable, compute
from gal_friday_core.label_sets import VOLATILITY
from gal_friday_core.labels import Labels, label_trades
from gal_friday_core.live_answers import answers_of
from gal_friday_core.predictor import Predictor
from gal_friday_live.experiment_traffic import unit_ns
from gal_friday_live.model_registry import ModelRegistry

KIND = "EXPERIMENT_ASSIGNMENT"
"""The journal's line of who served a unit, as `PredictionService` notes it."""
WARM_BARS = 2_000
"""Before the first bar, so that features are those of an engine that has run for long."""

Seen = tuple[list[Assignment], list[Outcome]]


class ExperimentObserver:
    """Reads predictions, fills and candles; writes nothing."""

    def __init__(
        self,
        config: Config,
        experiments: ExperimentRepository,
        registry: ModelRegistry,
        lake: CandleLake,
        records: LiveRecords,
    ) -> None:
        self._config = config
        self._experiments = experiments
        self._registry = registry
        self._lake = lake
        self._records = records

    async def observe(self, stored: Stored, start_ns: int, end_ns: int) -> Seen:
        """Every assignment and outcome of [start, end) that is known now, by the order of units."""
        if stored.mode == "split":
            return await self._served(stored, start_ns, end_ns)
        found = await self.pairs(stored.design, start_ns, end_ns)
        return [], _told(stored.design, found)

    async def answers(self, design: Design, start_ns: int, end_ns: int) -> list[dict[str, Any]]:
        """What became of each variant's signals: verdicts of the risk check by code, and entries that were filled."""
        lines = await self._records.traded(Series.parse(design.series), start_ns, end_ns)
        found = answers_of(lines, [variant.model_id for variant in design.variants])
        return [
            {"variant": variant.name, "model_id": variant.model_id, **found[variant.model_id].told()}
            for variant in design.variants
        ]

    async def pairs(self, design: Design, start_ns: int, end_ns: int) -> Paired:
        """What all variants were worth at the bars that any of them predicted; also before an experiment began."""
        names = [variant.model_id for variant in design.variants]
        rows = await self._experiments.predictions(names, start_ns, end_ns)
        predictors = [await self._registry.by_id(name) for name in names]
        return await asyncio.to_thread(self._paired, design, rows, predictors, start_ns, end_ns)

    def _paired(
        self,
        design: Design,
        rows: list[dict[str, Any]],
        predictors: list[Predictor],
        start_ns: int,
        end_ns: int,
    ) -> Paired:
        series = Series.parse(design.series)
        candles = self._lake.read(series, start_ns - WARM_BARS * series.interval_ns, end_ns)
        table = compute(candles)
        said = []
        for variant, predictor in zip(design.variants, predictors, strict=True):
            mine = [row for row in rows if row["model_id"] == variant.model_id]
            at = np.array([row["ts_ns"] for row in mine], np.int64)
            probability = np.array([row["value"] for row in mine], np.float64)
            labels = _labels(candles, table, predictor, start_ns)
            heard = _where_asked(at, probability, candles, table, predictor)
            threshold = predictor.entry_threshold + self._config.strategy.margin
            said.append(Said(at, heard, threshold, labels))
        return paired(said, design.metric)

    async def _served(self, stored: Stored, start_ns: int, end_ns: int) -> Seen:
        """Each account's units are its own: the same unit may be served in two of them."""
        rows = await self._experiments.traded(start_ns, end_ns)
        assignments, outcomes = [], []
        for session, lines in groupby(rows, key=lambda row: str(row["session"])):
            held = list(lines)
            assigned = _assignments(stored, held, session)
            found = earned(
                [turn for turn, _ in assigned],
                trades_of((row["kind"], row["ts_ns"], row["record"]) for row in held),
                unit_ns=unit_ns(stored),
                until_ns=end_ns,
            )
            known = [assignment for turn, assignment in assigned if turn.unit in found]
            assignments += known
            outcomes += [
                Outcome(unit=one.unit, variant=one.variant, at_ns=one.at_ns, value=found[one.unit])
                for one in known
            ]
        return assignments, outcomes


def _assignments(stored: Stored, rows: list[dict[str, Any]], session: str) -> list[tuple[Turn, Assignment]]:
    """As the engine noted them, in the order of units."""
    found = []
    for row in rows:
        told = row["record"]
        if row["kind"] != KIND or told["experiment_id"] != stored.experiment_id:
            continue
        unit, at_ns = f"{session}/{told['unit']}", row["ts_ns"]
        turn = Turn(unit=unit, pair=told["pair"], model_id=told["model_id"], at_ns=at_ns)
        propensity = told["propensity"]
        found.append(
            (turn, Assignment(unit=unit, at_ns=at_ns, variant=told["variant"], propensity=propensity))
        )
    return sorted(found, key=lambda each: (each[0].at_ns, each[0].unit))


def _labels(candles: Candles, table: FeatureTable, predictor: Predictor, start_ns: int) -> Labels:
    """Of the very trade that the model judges, decided at or after `start_ns`."""
    found = label_trades(candles, table.column(VOLATILITY), predictor.barriers, predictor.costs)
    return found[found.t0_ns >= start_ns]


def _where_asked(
    at: Any, probability: Any, candles: Candles, table: FeatureTable, predictor: Predictor
) -> Any:
    """Zero where the model's primary rule does not fire: there it enters nothing, whatever it says."""
    primary = predictor.metadata.primary
    if primary is None or not len(at):
        return probability
    closes = candles.ts + candles.series.interval_ns
    rows = np.minimum(np.searchsorted(closes, at), len(closes) - 1)
    fires = primary.fires(table.values[rows], table.schema) & (closes[rows] == at)
    return np.where(fires, probability, 0.0)


def _told(design: Design, found: Paired) -> list[Outcome]:
    return [
        Outcome(unit=f"{design.series}@{at}", variant=variant.name, at_ns=int(at), value=float(value))
        for at, row in zip(found.at_ns, found.values, strict=True)
        for variant, value in zip(design.variants, row, strict=True)
        if np.isfinite(value)
    ]
