import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from gal_friday_assets.definitions import MODULES, defs
from gal_friday_assets.instance import WORKSPACE
from gal_friday_assets.partitions import EXCHANGE_POOL, days, pair_months, pairs

ROOT = Path(__file__).resolve().parents[2]
CHAIN = {
    "recent_bars": {"exchange"},
    "candles": {"recent_bars", "history_files"},
    "feature_table": {"candles"},
    "training_set": {"feature_table"},
    "candidate_model": {"training_set"},
    "validation_report": {"candidate_model"},
    "registered_model": {"validation_report"},
    "certificate": {"registered_model"},
    "production_model": {"certificate"},
    "backtest_report": {"candidate_model", "registered_model", "production_model"},
    "experiment_analysis": {"live_engine"},
    "drift_report": {"production_model", "candles", "live_predictions"},
    "shadow_result": {"drift_report", "live_predictions"},
    "evidently_report": {"production_model", "candles"},
    "live_predictions": {"live_engine"},
    "live_features": {"live_engine"},
    "live_orders": {"live_engine"},
    "live_fills": {"live_engine"},
    "live_latencies": {"live_predictions", "live_orders"},
    "live_labels": {"live_predictions", "candles"},
    "live_divergence": {"candles", "live_predictions", "live_features", "live_orders", "live_fills"},
    "live_decisions": {"live_engine"},
    "live_executions": {"live_decisions"},
    "parameter_sweep": {"candles", "production_model"},
    "dagster_records": set(),
    "flight_records": {"live_engine"},
    "daily_statement": {"live_engine"},
    "reconciliation": {"live_engine", "exchange"},
}
NOT_OURS = {"exchange": set(), "history_files": set(), "live_engine": {"production_model"}}
"""What the pipeline only meets: shown, and made elsewhere."""

WHOLE = {
    "recent_bars", "experiment_analysis", "dagster_records", "flight_records", "reconciliation", *NOT_OURS,
}  # fmt: skip
"""Cut by nothing."""

LIVE = {key for key in CHAIN if key.startswith("live_")}
MONTHLY = {"candles", "feature_table", *LIVE}
GROUPS = dict.fromkeys(LIVE, "monitoring") | {
    "drift_report": "monitoring",
    "shadow_result": "monitoring",
    "evidently_report": "monitoring",
    "recent_bars": "ingest",
    "candles": "market",
    "feature_table": "features",
    "backtest_report": "trading",
    "experiment_analysis": "experiments",
    "parameter_sweep": "research",
    "dagster_records": "operations",
    "flight_records": "operations",
    "daily_statement": "operations",
    "reconciliation": "operations",
    "exchange": "outside",
    "history_files": "outside",
    "live_engine": "trading",
}
BLOCKING = {
    "candles:quality",
    "candles:continuity",
    "feature_table:no_leakage",
    "feature_table:no_dead_feature",
    "feature_table:live_parity",
    "training_set:sound_features",
    "candidate_model:serving_parity",
}


TOLD_ONLY = {
    "recent_bars:every_series_answered",
    "recent_bars:newest_bars",
    "experiment_analysis:nothing_is_wrong",
    "drift_report:no_drift",
    "parameter_sweep:not_overfitted",
    "live_features:parity",
}
"""What somebody should know, and what stops nothing: the bars that are there are still right."""


def nodes() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_the_code_location_loads():
    dg.Definitions.validate_loadable(defs)


def test_lineage_runs_from_candles_to_production_model_and_backtest():
    found = {key: {dep.asset_key.to_user_string() for dep in spec.deps} for key, spec in nodes().items()}
    assert found == CHAIN | NOT_OURS


def test_every_asset_has_group_kind_owner_code_version_and_a_description():
    for key, spec in nodes().items():
        assert spec.group_name == GROUPS.get(key, "models")
        assert spec.kinds
        assert spec.owners
        assert spec.code_version or key in NOT_OURS
        assert spec.description


def test_assets_are_cut_by_month_up_to_the_features_and_by_series_after():
    for key, spec in nodes().items():
        by_month = pair_months if key in MONTHLY else pairs
        by_month = days if key == "daily_statement" else by_month
        assert spec.partitions_def == (None if key in WHOLE else by_month)


def test_months_are_always_one_run():
    for key in MONTHLY:
        definition = defs.resolve_assets_def(key)
        assert definition.backfill_policy == dg.BackfillPolicy.single_run()


def test_what_is_fetched_by_the_clock_is_watched_and_asks_one_question_at_a_time():
    definition = defs.resolve_assets_def("recent_bars")
    (spec,) = definition.specs
    assert isinstance(spec.freshness_policy, dg.FreshnessPolicy)
    assert definition.op.pool == EXCHANGE_POOL


def test_every_promise_is_a_blocking_check():
    checks = {
        spec.key.to_user_string(): spec.blocking
        for definition in defs.asset_checks or []
        for spec in definition.check_specs
    }
    assert checks == dict.fromkeys(BLOCKING, True) | dict.fromkeys(TOLD_ONLY, False)


def test_jobs_together_cover_every_asset_once():
    covered = [
        key.to_user_string()
        for job in (
            "top_up",
            "refresh",
            "retrain",
            "experiments",
            "live_records",
            "monitor",
            "evidently",
            "sweep",
            "tidy",
            "statements",
            "reconcile",
        )
        for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys
    ]
    assert sorted(covered) == sorted(CHAIN)


def test_assets_stay_thin():
    """At most 15 lines of body: they load, call the core, and return."""
    for module in MODULES:
        tree = ast.parse(Path(str(module.__file__)).read_text())
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            body = function.body[1:] or function.body
            lines = (function.end_lineno or 0) - body[0].lineno + 1
            assert lines <= 15, f"{module.__name__}.{function.name} has {lines} lines"


@pytest.mark.parametrize("package", ["jobs", "sensors"])
def test_jobs_and_sensors_import_no_asset_module(package: str):
    assets = {module.__name__ for module in MODULES} | {"gal_friday_assets.definitions"}
    for path in (ROOT / package).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
                assert not names & assets, path
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & assets, path


def test_the_workspace_of_the_clone_is_the_one_that_is_written_home():
    (written,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert written["python_module"]["working_directory"] == "."
    written["python_module"]["working_directory"] = str(ROOT)
    assert {"load_from": [written]} == WORKSPACE


def test_the_code_location_loads_as_the_launcher_starts_it(tmp_path: Path):
    """Our packages in the first place where Python looks, another folder to stand in."""
    (tmp_path / "workspace.yaml").write_text(json.dumps(WORKSPACE))
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "DAGSTER_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]


def test_dagster_finds_the_same_code_location_from_the_clone():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    python = WORKSPACE["load_from"][0]["python_module"]
    assert tools["dagster"]["module_name"] == python["module_name"]
    assert tools["dagster"]["code_location_name"] == python["location_name"]
    assert tools["dg"]["project"]["code_location_target_module"] == python["module_name"]


def test_the_code_location_loads_without_training_libraries_and_without_a_word():
    """The web server holds it in memory for days, and its log belongs to what happens."""
    code = "import sys, gal_friday_assets.definitions; print({'xgboost', 'evidently', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert done.stderr == ""


def test_every_schedule_sensor_and_job_says_what_it_does():
    named = [*(defs.schedules or []), *(defs.sensors or []), *(defs.jobs or [])]
    assert [one.name for one in named if not one.description] == []


def test_every_job_has_a_longest_time_and_none_that_writes_to_the_registry_is_done_again():
    for job in (defs.resolve_job_def(one.name) for one in defs.jobs or []):
        assert int(job.tags.get("dagster/max_runtime", 0)) > 0, job.name
        made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        if made & {"registered_model", "certificate", "production_model", "experiment_analysis"}:
            assert job.tags["dagster/max_retries"] == "0", job.name
