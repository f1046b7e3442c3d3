"""Every locked package's licence is listed, and was looked at."""

import importlib.util
import platform
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "requirements" / "licences.py"


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    """The script as a module: it stands beside the locks, in no package."""
    spec = importlib.util.spec_from_file_location("licences", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the list is made on Linux x86-64"
)
def test_the_list_is_current_and_has_every_locked_package(licences: ModuleType) -> None:
    page = licences.PAGE.read_text(encoding="utf-8")
    assert page == licences.page(), "docs/licences.md is old: run requirements/licences.py"
    assert all(f"| `{package}` |" in page for package in licences.locked("dev"))


@pytest.mark.parametrize(
    "licence",
    ["AGPL-3.0-only", "GPL-2.0-or-later", "SSPL-1.0", "MIT AND GPL-3.0-only", "Apache-2.0 AND (AGPL-3.0-only OR BUSL-1.1)", ""],
)  # fmt: skip
def test_a_licence_that_nobody_looked_at_is_refused_by_name(licences: ModuleType, licence: str) -> None:
    with pytest.raises(licences.UnknownLicenceError, match=r"^newcomer: licence .* was not looked at"):
        licences.require_accepted("newcomer", licence)


@pytest.mark.parametrize(
    "licence", ["MIT OR GPL-3.0-only", "MPL-2.0 AND (Apache-2.0 OR MIT)", "Apache-2.0 WITH LLVM-exception"]
)
def test_a_choice_is_taken_and_an_exception_only_permits_more(licences: ModuleType, licence: str) -> None:
    assert licences.require_accepted("known", licence) == licence


def test_a_locked_package_that_is_nowhere_is_said(licences: ModuleType) -> None:
    with pytest.raises(licences.UnknownLicenceError, match="no-such-package is locked and not installed"):
        licences.licence_of("no-such-package")
