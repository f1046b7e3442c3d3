"""What the model page asks of registry, lake and journal: read-only, and what cannot change read once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.prediction_pairs import Pair, PredictionPairs
from gal_friday_adapters.postgres.restrictions import RestrictionRepository
from gal_friday_core import artifact
from gal_friday_core.candles import Series
from gal_friday_core.drift.delay import known
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import ArtifactError, DataError, RegistryError
from gal_friday_core.evidence.report import CalibrationBin, Evidence
from gal_friday_core.experiments.analysis import Curve, curves
from gal_friday_core.retraining.shadow import compare
from gal_friday_core.times import DAY_NS, to_iso
from gal_friday_live.dashboard.view import View
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.model_records import ModelRecords
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.retraining_history import RetrainingHistory

COMPARED_NS: Final = 7 * DAY_NS
"""How far back shadow and production are laid beside each other."""
KEPT: Final = 64

_bins: dict[str, tuple[CalibrationBin, ...]] = {}
"""Calibration by artifact, which its content names: it never changes."""


class Models:
    """Of one look. Raises StorageError where the database does not answer."""

    def __init__(self, view: View, database: Database) -> None:
        self._view = view
        self._database = database
        self.registry = ModelRegistry(view.manager, database)
        self._experiments = ExperimentManager(view.manager, database, registry=self.registry)

    async def versions(self) -> list[dict[str, Any]]:
        """Every version, the newest of each type first."""
        return (await self.registry.list_models())[::-1]

    async def calibration(self, model_id: str) -> tuple[CalibrationBin, ...]:
        """Bins of the tested events; empty for a version that kept none. Raises ArtifactError, RegistryError."""
        about = await self.registry.get_model_metadata(model_id)
        name = str(about["artifact"])
        if name not in _bins:
            files = (await self.registry.get_model(model_id, stage=None)).files
            _bins[name] = _read_bins(files)
            for old in list(_bins)[:-KEPT]:
                del _bins[old]
        return _bins[name]

    async def findings(self) -> list[dict[str, Any]]:
        """Drift that was found of any version, newest first."""
        return findings_of(await RestrictionRepository(self._database).of_model())

    async def retrainings(self) -> list[dict[str, Any]]:
        """Newest first."""
        return await RetrainingHistory(self.registry, self._database).runs()

    async def experiments(self, most: int) -> list[dict[str, Any]]:
        """Those that run first, then the newest, each with what it shows so far or why that cannot be said."""
        listed = await self._experiments.list_experiments()
        newest = list(reversed(listed))
        order = sorted(newest, key=lambda one: one["state"] != "RUNNING")
        return [await self._analysed(one) for one in order[:most]]

    async def curve(self, experiment: str, variant: str) -> tuple[Curve, str]:
        """A challenger's comparison block by block, and what is compared. Raises RegistryError for one that there is not."""
        design, outcomes = await self._experiments.observed(experiment)
        found = await asyncio.to_thread(curves, design, outcomes)
        curve = next((one for one in found if one.variant == variant), None)
        if curve is None:
            raise RegistryError(f"experiment {experiment} has no challenger {variant!r}")
        return curve, f"{design.metric.replace('_', ' ')} a unit"

    async def pairs(self, control: str, other: str) -> list[Pair]:
        """What both said of the last week's bars."""
        about = await self.registry.get_model_metadata(other)
        series = Series.parse(about["metadata"].get("series") or about["model_type"])
        said = PredictionPairs(self._database)
        newest = await said.newest_ns(series)
        if newest is None:
            return []
        return await said.between(series, control, other, newest - COMPARED_NS, newest + 1)

    async def outcome(self, control: str, other: str) -> dict[str, Any]:
        """The two by what became of the bars that both predicted. Raises DataError where nothing is known yet."""
        config = self._view.manager.config
        records = ModelRecords(self.registry, self._database, CandleLake(lake_dir(config)), config)
        now_ns = self._view.now_ns
        theirs = known(await records.scored(other, now_ns), now_ns)
        if not len(theirs):
            raise DataError(f"no prediction of {other} has an outcome yet")
        ours = await records.scored(control, now_ns)
        found = await asyncio.to_thread(compare, theirs, ours, now_ns, config.retraining)
        return {
            "days": found.days, "predictions": found.predictions, "labels": found.labels, "gain": found.gain,
            "reason": found.reason,
        }  # fmt: skip

    async def _analysed(self, one: Mapping[str, Any]) -> dict[str, Any]:
        if one["state"] == "CREATED":
            return {**one, "comparisons": [], "alarms": [], "said": "not started"}
        try:
            found = await self._experiments.analyze_experiment(one["experiment_id"])
        except (ArtifactError, DataError, RegistryError) as error:
            return {**one, "comparisons": [], "alarms": [], "said": str(error)}
        return {**found, "said": found["recommendation"]}


def findings_of(steps: Sequence[Restriction]) -> list[dict[str, Any]]:
    """Every finding that is on record with the step that it led to, newest first."""
    rows = [
        {
            "at": to_iso(step.at_ns), "model_id": step.model_id, "drift_type": step.evidence["drift_type"],
            "severity": step.evidence["severity"], "confidence": step.evidence.get("confidence"),
            "step": step.step, "reason": (step.evidence.get("metrics") or {}).get("reason") or step.reason,
        }
        for step in steps
        if "drift_type" in step.evidence
    ]  # fmt: skip
    return rows[::-1]


def _read_bins(files: Mapping[str, bytes]) -> tuple[CalibrationBin, ...]:
    content = files.get(artifact.EVIDENCE)
    return () if content is None else Evidence.from_bytes(content).calibration
