"""Sensors: what makes runs out of events. They name jobs and import no asset."""

from sensors.corrections import corrected_history
from sensors.drift import new_bars
from sensors.failures import failing_checks, run_failure
from sensors.retraining import retraining
from sensors.universe import pair_universe
from sensors.upkeep import abandoned_runs

__all__ = ["sensors"]

sensors = [
    pair_universe,
    corrected_history,
    new_bars,
    run_failure,
    failing_checks,
    retraining,
    abandoned_runs,
]
