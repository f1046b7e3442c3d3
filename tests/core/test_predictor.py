"""A predictor gives the booster's own numbers, calibrated, and refuses what it was not made for."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.errors import ArtifactError, SchemaMismatchError
from gal_friday_core.predictor import Predictor
from tests.core.model_files import BOOSTER, NAMES, SCHEMA, model_files, rows


def predictor(**changes):
    return Predictor.from_files(model_files(**changes), model_id="long@v1", model_type="long", version=1)


def test_predictions_are_the_calibrated_margins_of_the_booster():
    xgboost = pytest.importorskip("xgboost")
    matrix = rows(500, seed=3)
    margins = BOOSTER().predict(xgboost.DMatrix(matrix), output_margin=True)
    expected = Platt(0.8, -0.1)(margins)
    model = predictor()
    assert model.predict(matrix).tobytes() == expected.tobytes()
    assert [model.predict_row(row) for row in matrix] == expected.tolist()


def test_identity_conditions_and_thresholds_come_from_the_files():
    model = predictor()
    assert (model.model_id, model.model_type, model.version) == ("long@v1", "long", 1)
    assert model.schema_hash == SCHEMA.hash
    assert model.feature_names == NAMES
    assert model.entry_threshold == 0.45
    assert model.barriers.horizon_bars == 60
    assert str(model.costs.taker_fee) == "0.0026"


def test_features_of_another_schema_are_refused_with_both_hashes():
    model = predictor()
    model.require_schema(SCHEMA.hash)
    with pytest.raises(SchemaMismatchError, match=f"{SCHEMA.hash[:12]}.*000000000000"):
        model.require_schema("0" * 64)


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(SchemaMismatchError, match="3 features, expected 6"):
        predictor().predict_row(np.zeros(3))
    with pytest.raises(SchemaMismatchError, match="expected"):
        predictor().predict(np.zeros((4, 3)))


@pytest.mark.parametrize("name", [*artifact.REQUIRED, artifact.MODEL])
def test_an_altered_file_is_refused_by_name(name):
    files = model_files()
    files[name] = files[name][:-2] + b" " + files[name][-1:]
    with pytest.raises(ArtifactError, match=name):
        Predictor.from_files(files, model_id="m", model_type="t", version=1)


def test_files_that_contradict_each_other_are_refused():
    files = model_files()
    metadata = msgspec.json.decode(files[artifact.METADATA])
    metadata["schema_hash"] = "0" * 64
    files[artifact.METADATA] = artifact.to_json(metadata)
    with pytest.raises(ArtifactError, match="different features"):
        Predictor.from_files(artifact.seal(files), model_id="m", model_type="t", version=1)


def test_metadata_without_a_field_is_refused_by_name():
    files = model_files()
    metadata = msgspec.json.decode(files[artifact.METADATA])
    del metadata["entry_threshold"]
    files[artifact.METADATA] = artifact.to_json(metadata)
    with pytest.raises(ArtifactError, match="entry_threshold"):
        Predictor.from_files(artifact.seal(files), model_id="m", model_type="t", version=1)


def test_serving_imports_no_training_library():
    code = (
        "import sys, gal_friday_core.predictor\n"
        "print(sorted({'xgboost', 'pandas', 'sklearn', 'polars', 'dagster'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
