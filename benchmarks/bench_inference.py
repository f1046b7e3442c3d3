"""One row through 300 trees of depth 6: ours against XGBoost and onnxruntime, interleaved, as ratios.

Run: python benchmarks/bench_inference.py [--rounds 60]. Exit code 1 when a promise does not hold: bit for
bit `Booster.predict`, at most 1/20 of `Booster.inplace_predict`, at most 1/5 of onnxruntime.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.features.schema import Feature, FeatureSchema
from gal_friday_core.learners.boosted_trees import check_bit_identity
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor, schema_document

TREES, DEPTH, FEATURES, BATCH = 300, 6, 40, 50
PROMISES = {"Booster.inplace_predict": 20.0, "onnxruntime": 5.0}


def trained():
    """A booster whose trees are full: a non-linear rule with noise, some values unknown."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(20_000, FEATURES))
    labels = matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + rng.normal(size=len(matrix)) > 0.3
    matrix[rng.random(matrix.shape) < 0.02] = np.nan
    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "max_depth": DEPTH, "eta": 0.05, "nthread": 1, "seed": 1,
    }  # fmt: skip
    return xgboost.train(settings, xgboost.DMatrix(matrix, labels), TREES), matrix


def predictor(booster):
    """The same booster as the engine gets it: through a sealed artifact."""
    schema = FeatureSchema(
        "benchmark", 1, tuple(Feature(f"f{i}", "1", 0, "benchmark") for i in range(FEATURES))
    )
    metadata = ModelMetadata(
        series="x", target=TARGET, schema_hash=schema.hash, entry_threshold=0.5, mean_win=1.0, mean_loss=1.0,
        holdout_start_ns=0, oos_quantiles={"0.95": 0.5}, label="", barriers=BarriersConfig().model_dump(),
        costs=CostsConfig().model_dump(mode="json"), data={}, training={}, seed=1, config_hash="",
        code_version="", libraries={}, parity={},
    )  # fmt: skip
    files = {
        artifact.MODEL: bytes(booster.save_raw("ubj")),
        artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(Platt(1.0, 0.0))),
        artifact.FEATURES: artifact.to_json(schema_document(schema)),
        artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
        artifact.REPORT: artifact.to_json({}),
    }
    return Predictor.from_files(artifact.seal(files), model_id="b", model_type="b", version=1)


def onnx_session(booster):
    """One thread: for a single row more of them only wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = convert_xgboost(booster, initial_types=[("rows", FloatTensorType([None, FEATURES]))])
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def contestants(booster, matrix):
    """Name to (function, one argument a call): every argument ready in the form its function likes best."""
    rows = [np.ascontiguousarray(row) for row in matrix]
    singles = [row.astype(np.float32)[None] for row in matrix]
    session, model = onnx_session(booster), predictor(booster)
    output = session.get_outputs()[1].name
    return {
        "Predictor.predict_row": (model.predict_row, rows),
        "Booster.inplace_predict": (booster.inplace_predict, singles),
        "Booster.predict": (lambda row: booster.predict(xgboost.DMatrix(row, nthread=1)), singles),
        "onnxruntime": (lambda row: session.run([output], {"rows": row}), singles),
    }


def measure(entries, rounds):
    """Microseconds a call: medians over interleaved rounds, so that noise meets all alike."""
    times = {name: [] for name in entries}
    for round_number in range(rounds + 2):
        for name, (call, arguments) in entries.items():
            batch = [arguments[(round_number * BATCH + i) % len(arguments)] for i in range(BATCH)]
            start = time.perf_counter_ns()
            for argument in batch:
                call(argument)
            if round_number >= 2:
                times[name].append((time.perf_counter_ns() - start) / BATCH / 1e3)
    return {name: statistics.median(values) for name, values in times.items()}, {
        name: min(values) for name, values in times.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    booster, matrix = trained()
    trees = predictor(booster).model
    parity = check_bit_identity(booster, trees, matrix[:5_000])
    print(f"{TREES} trees, depth {DEPTH}, {FEATURES} features, {len(trees.nodes):,} nodes")
    print(f"bit identity with Booster.predict: {parity['differing']} of {parity['rows']:,} rows differ")
    booster.set_param({"nthread": 1})
    medians, best = measure(contestants(booster, matrix[:1_000]), rounds)
    ours = medians["Predictor.predict_row"]
    kept = True
    for name, micros in medians.items():
        promise = PROMISES.get(name)
        verdict = ""
        if promise:
            kept &= micros / ours >= promise
            verdict = f"  promised ≥ {promise:g}: {'holds' if micros / ours >= promise else 'BROKEN'}"
        print(
            f"{name:26} median {micros:8.2f} µs  best {best[name]:8.2f} µs  ratio {micros / ours:6.1f}{verdict}"
        )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
