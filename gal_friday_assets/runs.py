"""The two runs of the pipeline, in this process, on the instance that DAGSTER_HOME names."""

import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_assets.abandoned import PROCESS_TAG, end_abandoned, this_process
from gal_friday_assets.connections import keep_connections, remembered_partitions
from gal_friday_assets.definitions import defs
from gal_friday_assets.origin import file_runs_under
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError, GalFridayError

Result = dict[str, Any]

RESULT_OF = ("training_set", "candidate_model", "validation_report", "certificate", "production_model")
"""Whose metadata make up the result, later ones winning."""


class Runs:
    """`refresh` over every month that the lake holds of the series, then `retrain`. A context manager."""

    def __init__(self, series: Series, progress: Progress) -> None:
        self._series = series
        self._resources = {"progress": dg.ResourceDefinition.hardcoded_resource(progress)}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._instance = self._stack.enter_context(dg.DagsterInstance.get())
        keep_connections(self._instance)
        self._stack.enter_context(remembered_partitions(self._instance))
        end_abandoned(self._instance)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def refresh(self) -> Result:
        """Candles checked and features computed, all months in one run. Raises DataError for an empty series."""
        months = CandleLake(lake_dir(Settings().config)).months(self._series)
        if not months:
            raise DataError(f"the lake holds no candles of {self._series.key}: run `gal-friday ingest` first")
        self._instance.add_dynamic_partitions(PAIR, [self._series.key])
        said = self._run("refresh", None, range_tags(self._series, min(months), max(months)))
        rows = sum(int(month["row_count"]) for month in said["candles"])
        return {"rows": rows, "months": len(months)}

    def retrain(self) -> Result:
        """Labels to production model and backtest."""
        said = self._run("retrain", self._series.key, {})
        merged: Result = {}
        for asset in RESULT_OF:
            merged |= said[asset][-1]
        return {**merged, "backtest": said["backtest_report"][-1]}

    def _run(self, job: str, partition: str | None, tags: dict[str, str]) -> dict[str, list[Result]]:
        """Execute one job; the metadata of every materialisation, by asset."""
        run_id = str(uuid.uuid4())
        file_runs_under(self._instance, job)
        try:
            result = defs.resolve_job_def(job).execute_in_process(
                instance=self._instance,
                partition_key=partition,
                tags={**tags, PROCESS_TAG: this_process()},
                resources=self._resources,
                run_id=run_id,
            )
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error  # the run is marked as failed by now
        except dg.DagsterError as error:
            raise self._reason(error, run_id) from error
        said: dict[str, list[Result]] = {}
        for event in result.get_asset_materialization_events():
            key = event.step_materialization_data.materialization.asset_key.to_user_string()
            metadata = event.step_materialization_data.materialization.metadata
            plain = {name.removeprefix("dagster/"): entry.value for name, entry in metadata.items()}
            said.setdefault(key, []).append(plain)
        return said

    def _reason(self, error: BaseException, run_id: str) -> BaseException:
        """What the user can act on: our own error inside Dagster's, or the checks that stopped the run."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, GalFridayError):
                return cause
            cause = cause.__cause__ or cause.__context__
        records = self._instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        events = [record.event_log_entry.dagster_event for record in records]
        failed = [
            f"{event.asset_check_evaluation_data.asset_check_key.to_user_string()}: "
            f"{event.asset_check_evaluation_data.description}"
            for event in events
            if event is not None and not event.asset_check_evaluation_data.passed
        ]
        return DataError("; ".join(failed)) if failed else error
