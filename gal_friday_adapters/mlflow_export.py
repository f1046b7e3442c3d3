"""Models shown to MLflow, for those who live there. One way: nothing there ever changes what may trade here.

Entry point: `MlflowExport`. MLflow is an extra and imported when asked for. Exporting again adds nothing but the
stage that a model has by now.
"""

import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gal_friday_core.errors import ConfigError, StorageError

EXPERIMENT: Final = "gal-friday"
MODEL_ID: Final = "gal_friday.model_id"
STAGE: Final = "gal_friday.stage"
LONGEST_PARAM: Final = 6_000
"""MLflow refuses longer values."""


class MlflowExport:
    """To `target`: a folder (a database and the files in it), or the address of a tracking server or database.

    Raises ConfigError without MLflow, StorageError where it does not answer.
    """

    def __init__(self, target: str) -> None:
        # Read when it is imported: nothing is told to anybody but the target.
        os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
        try:
            mlflow: Any = importlib.import_module("mlflow")
        except ImportError as error:
            raise ConfigError(
                f"MLflow is not installed here ({error}): pip install 'gal-friday[mlflow]', then export again"
            ) from None
        self._refused: type[Exception] = mlflow.exceptions.MlflowException
        self.uri, self._files = _address(target)
        try:
            self._client: Any = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self._experiment: str = self._found_experiment()
        except self._refused as error:
            raise self._failed(error) from error

    def export(
        self, model: Mapping[str, Any], files: Mapping[str, bytes], certificate: bytes | None
    ) -> dict[str, Any]:
        """A run with parameters, metrics and files, and a version of a registered model; where they are there.

        `model` as the registry's metadata describes it; `new` tells whether the run was made now.
        """
        try:
            run_id, is_new = self._run(model, files, certificate)
            version = self._version(model, run_id)
        except self._refused as error:
            raise self._failed(error) from error
        return {"model_id": model["model_id"], "run_id": run_id, "version": version, "new": is_new}

    def _found_experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=self._files))

    def _run(
        self, model: Mapping[str, Any], files: Mapping[str, bytes], certificate: bytes | None
    ) -> tuple[str, bool]:
        """A run that did not end was interrupted, and does not count."""
        wanted = f"tags.`{MODEL_ID}` = '{model['model_id']}' and tags.artifact = '{model['artifact']}'"
        found = self._client.search_runs([self._experiment], f"{wanted} and attributes.status = 'FINISHED'")
        if found:
            return str(found[0].info.run_id), False
        tags = {MODEL_ID: model["model_id"], "artifact": model["artifact"]}
        run_id = self._client.create_run(self._experiment, run_name=model["model_id"], tags=tags).info.run_id
        for name, value in _parameters(model):
            self._client.log_param(run_id, name, value)
        for name, number in _metrics(model).items():
            self._client.log_metric(run_id, name, number)
        self._log_files(run_id, files, certificate)
        self._client.set_terminated(run_id)
        return str(run_id), True

    def _log_files(self, run_id: str, files: Mapping[str, bytes], certificate: bytes | None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            self._client.log_artifacts(run_id, folder, "model")
        if certificate is not None:
            self._client.log_text(run_id, certificate.decode(), "certificate.json")

    def _version(self, model: Mapping[str, Any], run_id: str) -> str:
        name = _registered_name(model["model_type"])
        try:
            self._client.get_registered_model(name)
        except self._refused:
            self._client.create_registered_model(name, tags={"model_type": model["model_type"]})
        known = self._client.search_model_versions(f"run_id = '{run_id}'")
        if known:
            version = str(known[0].version)
        else:
            source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
            made = self._client.create_model_version(
                name, source, run_id=run_id, tags={MODEL_ID: model["model_id"]}
            )
            version = str(made.version)
        self._client.set_model_version_tag(name, version, STAGE, model["stage"])
        self._client.set_tag(run_id, STAGE, model["stage"])
        self._alias(name, version, model["stage"])
        return version

    def _alias(self, name: str, version: str, stage: str) -> None:
        """`production` is whoever is in production, or nobody."""
        aliases = self._client.get_registered_model(name).aliases
        if stage == "production":
            self._client.set_registered_model_alias(name, "production", version)
        elif str(aliases.get("production")) == version:
            self._client.delete_registered_model_alias(name, "production")

    def _failed(self, error: Exception) -> StorageError:
        return StorageError(f"MLflow at {_shown(self.uri)}: {str(error).splitlines()[0]}")


def _address(target: str) -> tuple[str, str | None]:
    """Its URI, and where its files belong; None leaves that to the server."""
    if "://" in target:
        return target, None
    folder = Path(target).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {folder}: {error.strerror}; name another folder") from error
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def _shown(uri: str) -> str:
    """Without the password that it may carry."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _registered_name(model_type: str) -> str:
    """MLflow allows neither colons nor slashes."""
    return model_type.replace(":", ".").replace("/", ".")


def _parameters(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("schema_hash", "data_version", "code_version", "config_hash"):
        yield name, str(model[name])
    for name, value in model["metadata"].items():
        if name not in model:
            yield name, str(value)[:LONGEST_PARAM]


def _metrics(model: Mapping[str, Any]) -> dict[str, float]:
    """The registry's metrics, and the value of each gate."""
    gates = (model["certificate"] or {"gates": []})["gates"]
    found = {f"gate.{gate['name']}": gate["value"] for gate in gates if gate["value"] is not None}
    return {**model["metrics"], **found}
