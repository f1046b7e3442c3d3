"""The composition that adds Redis and a worker: read beside the one that it is added to, since no container engine runs here."""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
ADDED = DEPLOY / "celery" / "compose.yaml"


def composition(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_what_it_adds_is_shut_in_and_reached_by_nobody_else():
    there, added = composition(DEPLOY / "docker" / "compose.yaml"), composition(ADDED)
    new = {name: one for name, one in added["services"].items() if name not in there["services"]}
    assert set(new) == {"redis", "worker"}
    for service in new.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert not any("ports" in service for service in added["services"].values())


def test_every_service_finds_the_same_lake_and_what_it_names_is_there():
    there, added = composition(DEPLOY / "docker" / "compose.yaml"), composition(ADDED)
    volumes = {**there["volumes"], **added["volumes"]}
    lakes = set()
    for name, service in added["services"].items():
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {one for one in named if not one.startswith(".")} <= set(volumes), name
        assert set(service.get("secrets", [])) <= set(there["secrets"])
        lakes.add(service["environment"].get("GAL_FRIDAY__STORAGE__LAKE"))
        if "GAL_FRIDAY__STORAGE__LAKE" in service["environment"]:
            assert "shared" in named, name
    assert lakes - {None} == {"/var/lib/gal-friday/shared/lake"}
    assert {"engine", "dagster-web", "dagster-daemon"} <= set(there["services"])


def test_no_password_stands_in_it():
    text = ADDED.read_text(encoding="utf-8")
    for value in re.findall(r"^\s+\w*(?:PASSWORD|SECRET|KEY)\w*: (.+)$", text, re.MULTILINE):
        assert value.startswith("${")
    assert not re.search(r"rediss?://:(?!\$\{)", text.replace("(rediss://)", ""))
