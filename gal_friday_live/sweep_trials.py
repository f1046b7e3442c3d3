"""What a sweep remembers of its trials: each is told to the log as it comes, and counted with all made before it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.postgres.trial_log import Question, TrialLog
from gal_friday_core.config import Config
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.search import trial_id
from gal_friday_core.sweeps.grid import Axis, Point, configured
from gal_friday_core.sweeps.outcome import Outcome
from gal_friday_core.sweeps.result import trial_of
from gal_friday_core.times import to_iso

NO_MODEL = "no model"

Floats = NDArray[np.float64]
Tried = tuple[Point, Outcome | None, str]
"""A point, what it gave, and otherwise why it gave nothing."""


class Ledger:
    """Trials of one sweep. `log` None: nobody remembers them but this sweep.

    A question is a series, a strategy, its costs, a model and whether settings were chosen once or walked forward: costs
    are given, and what was tried under others tells nothing of luck here. `shared`: all series had one portfolio, which is
    another question than each with its own. `versions` are the candles' by series, `models`
    ids by series.
    """

    def __init__(
        self,
        config: Config,
        capital: Decimal,
        versions: Mapping[str, str],
        models: Mapping[str, str],
        log: TrialLog | None,
        *,
        shared: bool = False,
    ) -> None:
        self._config = config
        self._capital = capital
        self._versions = versions
        self._models = models
        self._log = log
        self._kind = "portfolio " if shared else ""
        self._own: dict[Question, dict[str, float | None]] = {}

    def keep(self, series: str, start_ns: int, end_ns: int, tried: Iterable[Tried]) -> None:
        """Backtests of whole stretches. Raises StorageError where the log does not answer."""
        question = self._question("backtest", series)
        span = {"start": to_iso(start_ns), "end": to_iso(end_ns)}
        self._write(
            question, [({**self._settings(point), **span}, found, why) for point, found, why in tried]
        )

    def keep_walk(self, series: str, axes: Sequence[Axis], terms: Mapping[str, Any], found: Outcome) -> None:
        """A walk forward as one trial: which settings it chose was part of it."""
        chosen_from = {one.key: list(one.values) for one in axes}
        parameters = {**self._settings({}), **terms, "axes": chosen_from}
        self._write(self._question("walk", series), [(parameters, found, "")])

    def tried(self, kind: str, series: str) -> tuple[int, Floats]:
        """How many trials were ever made on the question ('backtest' or 'walk'), and the daily ratios that are known."""
        question = self._question(kind, series)
        known = dict(self._own.get(question, {}))
        if self._log is not None:
            known |= self._log.tally(question)
        told = [known[trial] for trial in sorted(known)]  # in an order that no sweep decides
        return len(known), np.array([ratio for ratio in told if ratio is not None])

    def _question(self, kind: str, series: str) -> Question:
        names = sorted(self._versions) if series not in self._versions else [series]
        models = ", ".join(self._models.get(name, NO_MODEL) for name in names)
        versions = ", ".join(self._versions[name] for name in names)
        paid = self._config.costs.model_dump_json()
        if (
            self._config.fidelity != FidelityConfig()
        ):  # as it comes, it asks what was asked before there was any
            paid += self._config.fidelity.model_dump_json()
        costs = sha256(paid.encode()).hexdigest()[:12]
        return Question(
            ", ".join(names), f"{self._kind}{kind}:{self._config.strategy.id}:{costs}", models, versions
        )

    def _settings(self, point: Point) -> dict[str, Any]:
        """All settings that a backtest depends on: the same ones are the same trial, whatever grid they came from."""
        config = configured(self._config, point)
        names = {"strategy", "risk", "costs", config.strategy.id} & set(type(config).model_fields)
        return {
            "capital": str(self._capital),
            **{name: getattr(config, name).model_dump(mode="json") for name in sorted(names)},
        }

    def _write(self, question: Question, tried: Sequence[tuple[dict[str, Any], Outcome | None, str]]) -> None:
        known = self._own.setdefault(question, {})
        known |= {trial_id(parameters): found.ratio if found else None for parameters, found, _ in tried}
        if self._log is None:
            return
        self._log.write_all(
            question, [trial_of(parameters, found) for parameters, found, _ in tried if found]
        )
        for parameters, found, why in tried:
            if found is None:
                self._log.write_failed(question, parameters, why)
