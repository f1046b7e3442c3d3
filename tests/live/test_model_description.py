import pytest

from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, RegistryError
from gal_friday_live.model_description import describe
from tests.core.model_files import model_files
from tests.live.refused_model import REASONS, refused_files


def test_the_artifact_alone_describes_the_model():
    files = refused_files()
    model = describe(files, {}, actor="test")
    assert (model.model_type, model.artifact) == ("kraken:BTC-USD:1m", artifact.artifact_id(files))
    assert (model.passed, model.reasons) == (False, tuple(REASONS))
    assert model.size == sum(map(len, files.values()))
    assert model.metadata["entry_threshold"] == 0.45


def test_a_report_without_a_verdict_leaves_the_model_refused():
    files = artifact.seal({**model_files(), artifact.REPORT: artifact.to_json({})})
    model = describe(files, {}, actor="test")
    assert (model.passed, model.reasons) == (False, ("it has no validation verdict",))


def test_a_refusal_without_reasons_still_says_something():
    assert describe(model_files(passed=False), {}, actor="test").reasons


def test_the_scores_of_the_report_are_the_metrics_and_cannot_be_claimed_better():
    pooled = {"trades": 12, "auc": {"value": 0.52, "low": 0.5, "high": 0.54}, "brier": {"value": None}}
    files = {**model_files(), artifact.REPORT: artifact.to_json({"pooled": pooled})}
    model = describe(artifact.seal(files), {"metrics": {"auc": 0.99, "sharpe": 1.5}}, actor="test")
    assert dict(model.metrics) == {
        "trades": 12.0, "auc": 0.52, "auc_low": 0.5, "auc_high": 0.54, "sharpe": 1.5,
    }  # fmt: skip


def test_unknown_metrics_are_left_out():
    model = describe(model_files(), {"metrics": {"auc": 0.5, "ece": None, "trades": 3}}, actor="test")
    assert dict(model.metrics) == {"auc": 0.5, "trades": 3.0}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"verdict": {"passed": True, "reasons": []}}, "is not the one in report.json"),
        ({"verdict": "passed"}, "give {'passed'"),
        ({"verdict": {"passed": 1, "reasons": []}}, "give {'passed'"),
        ({"metrics": {"auc": float("nan")}}, "metric auc: nan"),
        ({"metrics": {"auc": "high"}}, "metric auc: 'high'"),
        ({"config_hash": "f" * 64}, "config_hash"),
        ({"schema_hash": "f" * 64}, "schema_hash"),
    ],
)
def test_what_contradicts_the_artifact_is_refused(metadata, said):
    with pytest.raises(RegistryError, match=said):
        describe(refused_files(), metadata, actor="test")


def test_altered_files_are_refused_by_name():
    files = {**model_files(), artifact.CALIBRATION: b'{"slope": 1.0, "intercept": 9.0}'}
    with pytest.raises(ArtifactError, match=r"calibration\.json.*altered"):
        describe(files, {}, actor="test")
