"""The documentation as a site: every page is there, every link and anchor leads somewhere, nothing comes from elsewhere."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FETCHES = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^\"' >]+", re.IGNORECASE
)


def pages(nav):
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages(value) if isinstance(value, list) else [value]


def test_every_page_has_its_place_in_the_navigation_and_every_place_its_page():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    written = sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))
    assert sorted(pages(nav)) == written


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as it is built, with a broken link as an error."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    done = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_site_is_built_without_a_broken_link_and_fetches_nothing_from_elsewhere(site):
    built = list(site.rglob("*.html"))
    assert len(built) > 30
    for page in built:
        assert FETCHES.findall(page.read_text(encoding="utf-8")) == [], page.name


def test_every_picture_is_shown_by_some_page_and_says_what_it_shows():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    for picture in (ROOT / "docs" / "images").iterdir():
        shown = re.findall(rf"!\[([^\]]*)\]\([^)]*{re.escape(picture.name)}\)", text)
        assert shown, picture.name
        assert all(len(words) > 10 for words in shown), picture.name


def test_links_of_the_pages_outside_the_site_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"):
        page = ROOT / name
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{name}: {target}"
