"""Which code this is, told by a checkout, by a wheel, or by nobody."""

import re
import subprocess

import pytest

from gal_friday_core import __version__
from gal_friday_live.code_version import code_version, described


def git(folder, *arguments):
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    (folder / "code.py").write_text("a = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "begin")
    return folder


def test_a_checkout_names_its_commit_and_whether_files_differ_from_it(checkout, tmp_path):
    clean = described(checkout, tmp_path / "no file")
    assert re.fullmatch(re.escape(__version__) + r"\+g[0-9a-f]{12}", clean)
    (checkout / "code.py").write_text("a = 2\n")
    assert described(checkout, tmp_path / "no file") == f"{clean}.dirty"


def test_a_wheel_names_the_commit_it_was_built_from(tmp_path):
    baked = tmp_path / "commit.txt"
    baked.write_text("0123456789abcdef0123456789abcdef01234567\n")
    assert described(tmp_path, baked) == f"{__version__}+g0123456789ab"
    baked.write_text("0123456789abcdef0123456789abcdef01234567.dirty\n")
    assert described(tmp_path, baked) == f"{__version__}+g0123456789ab.dirty"


def test_a_wheel_inside_somebody_elses_checkout_is_not_of_that_commit(checkout, tmp_path):
    inside = checkout / "site-packages"
    inside.mkdir()
    assert described(inside, tmp_path / "no file") == __version__


def test_this_code_knows_itself():
    assert code_version().startswith(__version__)
