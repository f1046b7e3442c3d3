"""What is deployed by files: images, composition, units. Read, since no container engine runs where tests do."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from gal_friday_live.cli import app

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "deploy" / "docker"
IMAGES = sorted(DOCKER.glob("*.Dockerfile"))
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
HARDENING = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "CapabilityBoundingSet": "", "RestrictSUIDSGID": "yes", "UMask": "0077",
}  # fmt: skip


def composition():
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


def instructions(image):
    text = re.sub(r"\\\n\s*", " ", image.read_text(encoding="utf-8"))
    return [line.partition(" ")[::2] for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_image_runs_without_root_from_hashed_packages_and_copies_what_is_there(image):
    found = instructions(image)
    assert [value for name, value in found if name == "USER"] == ["10001:10001"]
    for name, value in found:
        if name == "COPY" and "--from" not in value:
            for source in value.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source.startswith(kept.rstrip("*.lock")) for kept in kept_by_dockerignore()), (
                    source
                )
        if name == "RUN" and re.search(r"\bpip (install|sync)\b", value):
            assert value.count("--require-hashes") == len(re.findall(r"\bpip (?:install|sync)\b", value))
    assert not any(name == "ADD" or "latest" in value for name, value in found)


def kept_by_dockerignore():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    return [line[1:] for line in lines if line.startswith("!")]


def test_engine_image_holds_neither_dagster_nor_the_pipeline():
    (image,) = [path for path in IMAGES if path.stem == "engine"]
    copied = [value for name, value in instructions(image) if name == "COPY"]
    assert not any("gal_friday_assets" in value or "pipeline" in value for value in copied)
    assert "\ndagster" not in (ROOT / "requirements" / "engine.lock").read_text(encoding="utf-8")


def commands_of_images():
    for image in IMAGES:
        for name, value in instructions(image):
            if name == "CMD" and image.stem == "engine":
                yield json.loads(value)
    yield composition()["services"]["engine"]["command"]


@pytest.mark.parametrize("command", list(commands_of_images()), ids=" ".join)
def test_command_that_a_container_runs_exists_with_its_options(command):
    found = get_command(app).commands[command[0]]
    options = {name for parameter in found.params for name in parameter.opts}
    assert {word for word in command[1:] if word.startswith("-")} <= options


def test_containers_listen_on_loopback_only_and_may_do_nothing_else():
    for name, service in composition()["services"].items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not any("docker.sock" in str(volume) for volume in service.get("volumes", [])), name


def test_no_secret_stands_in_the_composition_and_real_money_is_off():
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    for name, value in re.findall(r"^\s+(\w*(?:PASSWORD|TOKEN|SECRET)\w*): (.+)$", text, re.MULTILINE):
        assert value.startswith(("/run/secrets/", "${")), name
    commands = [word for service in composition()["services"].values() for word in service.get("command", [])]
    assert "--i-understand-real-money" not in commands


def test_what_the_composition_mounts_and_names_is_there():
    found = composition()
    for name, service in found["services"].items():
        for secret in service.get("secrets", []):
            assert secret in found["secrets"], name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".."):
                assert (DOCKER / source).exists(), source
            elif not source.startswith("."):
                assert source in found["volumes"], source
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).resolve().exists()


def settings(unit):
    found = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_service_is_shut_in_and_ends_in_order(unit):
    found = settings(unit)
    assert {name: found.get(name) for name in HARDENING} == HARDENING
    assert found["User"] == "gal-friday"
    assert "--i-understand-real-money" not in found["ExecStart"]
    assert int(found["TimeoutStopSec"]) >= 30


def test_engine_is_watched_and_not_started_again_into_what_it_refused():
    found = settings(ROOT / "deploy" / "systemd" / "gal-friday-engine.service")
    assert found["Type"] == "notify"
    assert int(found["WatchdogSec"]) > 0
    assert found["RestartPreventExitStatus"] == "2"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_understands_every_line(unit, tmp_path):
    here = tmp_path / unit.name
    here.write_text(
        re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(here)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="no hadolint here")
@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_hadolint_finds_nothing(image):
    done = subprocess.run(["hadolint", str(image)], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""
