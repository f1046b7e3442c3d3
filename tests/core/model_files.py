"""A small trained model as artifact files, for tests that need one."""

from functools import cache

import msgspec
import numpy as np
import xgboost

from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.features.schema import Feature, FeatureSchema
from gal_friday_core.predictor import TARGET, ModelMetadata, schema_document

NAMES = tuple(f"feature_{number}" for number in range(6))
SCHEMA = FeatureSchema(
    "test_set", 1, tuple(Feature(name, "1", 0, "made up", (("span", 3), ("share", 0.5))) for name in NAMES)
)


def rows(count, seed, features=6):
    """Normal features with some unknown ones."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, features))
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    return matrix


def train_booster(trees=20, depth=3, seed=7, features=6, **parameters):
    """A booster on a noisy non-linear rule."""
    matrix = rows(3_000, seed, features)
    noise = np.random.default_rng(seed + 1).normal(size=len(matrix))
    labels = (np.nan_to_num(matrix[:, 0]) + np.nan_to_num(matrix[:, 1] * matrix[:, 2]) + noise) > 0.4
    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "seed": seed,
        "max_depth": depth, "eta": 0.1, **parameters,
    }  # fmt: skip
    return xgboost.train(settings, xgboost.DMatrix(matrix, labels), trees)


BOOSTER = cache(train_booster)


def metadata(**changes):
    """Plausible metadata of a model on `SCHEMA`."""
    values = {
        "series": "kraken:BTC-USD:1m", "target": TARGET, "schema_hash": SCHEMA.hash,
        "entry_threshold": 0.45, "mean_win": 0.011, "mean_loss": 0.009,
        "holdout_start_ns": 1_500_000_000_000_000_000,
        "oos_quantiles": {"0.5": 0.3, "0.9": 0.38, "0.95": 0.41, "0.99": 0.47},
        "label": "made up", "barriers": BarriersConfig().model_dump(),
        "costs": CostsConfig().model_dump(mode="json"), "data": {"rows": 3000}, "training": {},
        "seed": 7, "config_hash": "0" * 64, "code_version": "test", "libraries": {},
        "parity": {"rows": 0, "differing": 0},
    }  # fmt: skip
    return ModelMetadata(**{**values, **changes})


CALIBRATION = Platt(0.8, -0.1)


def model_files(calibration=CALIBRATION, passed=True, **changes):
    """A sealed artifact, as training makes it."""
    return artifact.seal(
        {
            artifact.MODEL: bytes(BOOSTER().save_raw("ubj")),
            artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(calibration)),
            artifact.FEATURES: artifact.to_json(schema_document(SCHEMA)),
            artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata(**changes))),
            artifact.REPORT: artifact.to_json({"verdict": {"passed": passed, "reasons": []}}),
        }
    )
