"""The values for Dagster's Helm chart: read as the chart reads them, taken by Dagster, and a run launched with them.

No cluster runs where tests do; an API server that only writes down what it is asked stands for one.
"""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.config import dagster_instance_config_schema, validate_concurrency_config
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.test_utils import instance_for_test
from dagster_k8s import K8sRunLauncher

from gal_friday_assets.instance import instance_settings
from gal_friday_assets.launchers import HEALTH_LOOK_S
from gal_friday_core.dagster_settings import DagsterConfig
from tests.assets.celery_jobs import defs
from tests.bounded import joined

ROOT = Path(__file__).parents[2]
IMAGE = "registry.internal/gal-friday-pipeline:abc"


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    text = (ROOT / "deploy" / "kubernetes" / "values.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda upper: f"_{upper[1].lower()}", name)


def launcher_config(values: dict[str, Any]) -> dict[str, Any]:
    """What the chart makes of them: names in snake case, config maps and secrets by their names."""
    asked = {snake(key): value for key, value in values["runLauncher"]["config"]["k8sRunLauncher"].items()}
    for key in ("env_config_maps", "env_secrets"):
        asked[key] = [source["name"] for source in asked[key]]
    asked["run_k8s_config"] = {snake(key): value for key, value in asked["run_k8s_config"].items()}
    return asked | {
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": "gal-friday-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "service_account_name": "gal-friday",
        "job_namespace": "gal-friday",
    }


def taken(schema: object, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with its defaults. Fails where Dagster does not accept it."""
    result = process_config(resolve_to_config_type(schema), config)
    assert result.success, [error.message for error in result.errors]
    return dict(result.value)


def test_dagster_takes_the_launcher_s_settings_and_no_others(values: dict[str, Any]):
    asked = launcher_config(values)
    assert taken(K8sRunLauncher.config_type(), asked)["load_incluster_config"]
    result = process_config(resolve_to_config_type(K8sRunLauncher.config_type()), asked | {"job_immage": "x"})
    assert not result.success


def test_limits_are_those_of_one_machine(values: dict[str, Any]):
    added = values["additionalInstanceConfig"]
    daemon = values["dagsterDaemon"]
    ours = instance_settings(Path("/home"), "postgresql://", DagsterConfig(runs_at_once=8))
    assert added["concurrency"] == ours["concurrency"]
    assert added["nux"] == ours["nux"]
    monitoring = {snake(key): value for key, value in daemon["runMonitoring"].items()}
    assert monitoring.pop("start_timeout_seconds") == DagsterConfig().start_within_s
    assert monitoring.pop("poll_interval_seconds") == HEALTH_LOOK_S
    assert monitoring.pop("max_resume_run_attempts") == 0
    assert monitoring == ours["run_monitoring"]
    assert {snake(key): value for key, value in daemon["runRetries"].items()} == ours["run_retries"]
    ticks = {
        kind: {"purge_after_days": values["retention"][kind]["purgeAfterDays"]}
        for kind in ("schedule", "sensor")
    }
    assert ticks == ours["retention"]
    assert not daemon["runCoordinator"]["enabled"]
    taken(dagster_instance_config_schema(), dict(added))
    validate_concurrency_config(added)


def test_no_secret_stands_in_the_values_and_nothing_runs_as_root(values: dict[str, Any]):
    text = (ROOT / "deploy" / "kubernetes" / "values.yaml").read_text(encoding="utf-8")
    assert not re.findall(r"^\s*\w*(?:[Pp]assword|[Kk]ey|[Tt]oken):\s*\S", text, re.MULTILINE)
    (code,) = values["dagster-user-deployments"]["deployments"]
    for part in (values["dagsterWebserver"], values["dagsterDaemon"], code):
        assert part["podSecurityContext"]["runAsNonRoot"]
        assert part["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert part["image"] == code["image"]
    assert code["includeConfigInLaunchedRuns"]["enabled"]


def test_the_code_location_s_command_is_one_that_dagster_has(values: dict[str, Any]):
    from dagster._cli.api import grpc_command

    (code,) = values["dagster-user-deployments"]["deployments"]
    known = {name for option in grpc_command.params for name in option.opts}
    assert {word for word in code["dagsterApiGrpcArgs"] if word.startswith("-")} <= known


class Cluster:
    """Takes jobs, and says of each how it stands."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.status: dict[str, Any] = {"active": 1}

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if method == "POST":
            assert path == "/apis/batch/v1/namespaces/gal-friday/jobs"
            assert body is not None
            self.jobs.append(body)
            return 201, body
        names = [job["metadata"]["name"] for job in self.jobs]
        if path.rpartition("/jobs/")[2].split("/")[0] in names:
            return 200, {**self.jobs[0], "status": self.status}
        return 404, {"kind": "Status", "code": 404}


def handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    """What serves the cluster's answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._say(*cluster.answer("POST", self.path, json.loads(self.rfile.read(length))))

        def do_GET(self) -> None:
            self._say(*cluster.answer("GET", self.path, None))

        def _say(self, status: int, value: dict[str, Any]) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[Cluster, Path]]:
    """An API server on loopback, and the file that leads a client to it."""
    cluster = Cluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(cluster))
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    leads = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "nobody", "user": {}}],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(leads))
    yield cluster, file
    server.shutdown()
    joined(serving)
    server.server_close()


def test_a_run_becomes_a_job_that_is_shut_in_and_fails_with_its_pod(
    values: dict[str, Any], api: tuple[Cluster, Path], monkeypatch: pytest.MonkeyPatch
):
    cluster, kubeconfig = api
    asked = launcher_config(values) | {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    job = defs.resolve_job_def("telling")
    code = ModuleCodePointer("gal_friday_assets.definitions", "defs", "/opt/gal-friday")
    origin = RepositoryPythonOrigin(
        "python", code, container_image=IMAGE, entry_point=DEFAULT_DAGSTER_ENTRY_POINT
    )
    launcher = {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": asked}
    with instance_for_test({"run_launcher": launcher}) as instance:
        run = instance.create_run_for_job(job, job_code_origin=JobPythonOrigin(job.name, origin))
        instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
        found = instance.get_run_by_id(run.run_id)
        assert instance.run_launcher.check_run_worker_health(found).status is WorkerStatus.RUNNING
        cluster.status = {"failed": 1}
        assert instance.run_launcher.check_run_worker_health(found).status is WorkerStatus.FAILED
    (made,) = cluster.jobs
    pod = made["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    assert {source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source} == {
        "gal-friday-secrets"
    }
    assert container["securityContext"] == values["dagsterDaemon"]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["resources"]["limits"]["memory"] == "6Gi"
    assert made["spec"]["ttlSecondsAfterFinished"] == 86_400
    assert pod["restartPolicy"] == "Never"
