"""A model ready to predict: packed trees or a linear model, calibration, and the conditions under which its numbers hold.

Entry points: `Predictor.from_files` (an artifact's files), `predict_row` (the live path), `predict` (many
rows, the same numbers bit for bit). Imports no XGBoost: what runs is compiled by numba.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.calibration import Calibration, Platt, calibrated
from gal_friday_core.compiled import kept
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.errors import ArtifactError, SchemaMismatchError
from gal_friday_core.features.schema import Feature, FeatureSchema
from gal_friday_core.linear import LinearModel, read_linear
from gal_friday_core.primary_rules import PrimaryRule
from gal_friday_core.trees import PackedTrees, margin_row, read

Served = PackedTrees | LinearModel
"""A model as the engine runs it."""

TARGET = "long_net_profit"
"""What a prediction says: the probability that the trade of `labels`, entered now, ends in net profit."""


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What metadata.json says about a model; every field is a function of data and configuration.

    `entry_threshold` is the break-even probability; `oos_quantiles` of calibrated out-of-sample
    predictions, keyed by probability ('0.95'); times are UTC nanoseconds. `barriers` are the label set's trade;
    where there is a `primary` rule the model knows only bars at which it fires.
    """

    series: str
    target: str
    schema_hash: str
    entry_threshold: float
    mean_win: float
    mean_loss: float
    holdout_start_ns: int
    oos_quantiles: dict[str, float]
    label: str
    barriers: dict[str, float]
    costs: dict[str, str]
    data: dict[str, Any]
    training: dict[str, Any]
    seed: int
    config_hash: str
    code_version: str
    libraries: dict[str, str]
    parity: dict[str, int]
    label_set: str = ""
    label_hash: str = ""
    feature_set: str = ""
    primary: PrimaryRule | None = None
    format: int = 1


@kept
@njit(cache=True)
def _calibrated_row(  # noqa: PLR0917 - compiled kernels take positions
    nodes: Any, groups: Any, base_margin: Any, slope: float, intercept: float, values: Any
) -> float:
    return calibrated(slope, intercept, np.float64(margin_row(nodes, groups, base_margin, values)))


@dataclass(frozen=True, eq=False, slots=True)
class Predictor:
    """One immutable model version. Predictions are calibrated probabilities of `target`."""

    model_id: str
    model_type: str
    version: int
    schema: FeatureSchema
    metadata: ModelMetadata
    calibration: Calibration
    model: Served
    artifact_sha256: str

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], *, model_id: str, model_type: str, version: int
    ) -> "Predictor":
        """Read an artifact. Raises ArtifactError for files that are altered, damaged or contradict each other."""
        sha256 = artifact.verify(files)
        schema = _schema(files)
        metadata = _decode(files, artifact.METADATA, ModelMetadata)
        model = _model(files)
        if not metadata.schema_hash == schema.hash or model.features != len(schema):
            raise ArtifactError(
                f"model {model_id}: its files describe different features (model {model.features}, "
                f"schema {len(schema)}); register it again from its training"
            )
        if not 0 < metadata.entry_threshold < 1:
            raise ArtifactError(
                f"model {model_id}: entry threshold {metadata.entry_threshold} is not in (0, 1)"
            )
        if metadata.primary is not None:
            metadata.primary.require(schema)
        calibration = _decode(files, artifact.CALIBRATION, Calibration)
        return cls(model_id, model_type, version, schema, metadata, calibration, model, sha256)

    @property
    def schema_hash(self) -> str:
        return self.schema.hash

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.schema.names

    @property
    def data_version(self) -> str:
        """The version of the candles that it was trained on."""
        return str(self.metadata.data.get("candles_sha256") or "unknown")

    @property
    def target(self) -> str:
        return self.metadata.target

    @property
    def entry_threshold(self) -> float:
        """Break-even probability: above it a trade is expected to pay its costs."""
        return self.metadata.entry_threshold

    @property
    def barriers(self) -> BarriersConfig:
        """The trade that the label was computed on."""
        return BarriersConfig.model_validate(self.metadata.barriers)

    @property
    def costs(self) -> CostsConfig:
        """The costs that the label was computed with."""
        return CostsConfig.model_validate(self.metadata.costs)

    def require_schema(self, schema_hash: str) -> None:
        """Refuse features of another definition, before the first prediction on them."""
        if schema_hash != self.schema.hash:
            raise SchemaMismatchError(
                f"model {self.model_id} was trained on {self.schema.name} {self.schema.hash[:12]}…, "
                f"the engine computes {schema_hash[:12]}…: train again, or run the version it was trained with"
            )

    def predict_row(self, values: NDArray[np.float64]) -> float:
        """Calibrated probability for one float64 vector in schema order."""
        model, calibration = self.model, self.calibration
        if len(values) != model.features:
            raise SchemaMismatchError(
                f"model {self.model_id}: {len(values)} features, expected {model.features}"
            )
        if not (isinstance(model, PackedTrees) and isinstance(calibration, Platt)):
            return calibration.one(model.margin(values))
        # The usual kind, in one call.
        found: float = _calibrated_row(
            model.nodes, model.groups, model.base_margin,
            calibration.slope, calibration.intercept, values,
        )  # fmt: skip
        return found

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of a (rows, features) matrix."""
        if matrix.ndim != 2 or matrix.shape[1] != self.model.features:
            raise SchemaMismatchError(
                f"model {self.model_id}: {matrix.shape}, expected (rows, {self.model.features})"
            )
        return self.calibration(self.model.margins(matrix))


def schema_document(schema: FeatureSchema) -> dict[str, Any]:
    """What features.json says: the whole schema, and its hash."""
    return {"hash": schema.hash, "schema": schema.document()}


def _schema(files: Mapping[str, bytes]) -> FeatureSchema:
    described = artifact.from_json(artifact.FEATURES, files[artifact.FEATURES])
    try:
        schema = _rebuild(described["schema"])
        matches = schema.hash == described["hash"]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ArtifactError(f"{artifact.FEATURES}: not a feature schema; register the model again") from None
    if not matches:
        raise ArtifactError(
            f"{artifact.FEATURES}: its hash does not belong to its columns; register the model again"
        )
    return schema


def _rebuild(document: dict[str, Any]) -> FeatureSchema:
    """JSON keeps ints and floats apart, and so does the hash: no conversion here."""
    features = [
        Feature(**{**feature, "parameters": tuple((name, value) for name, value in feature["parameters"])})
        for feature in document["features"]
    ]
    return FeatureSchema(
        document["name"], document["revision"], tuple(features), str(document.get("code", ""))
    )


def _model(files: Mapping[str, bytes]) -> Served:
    name = artifact.model_file(files)
    return read(files[name]) if name == artifact.MODEL else read_linear(files[name])


def _decode(files: Mapping[str, bytes], name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(files[name], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{name}: {error}; register the model again from its training") from None
