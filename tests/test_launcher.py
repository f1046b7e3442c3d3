"""The launcher, on a small lock of its own so that an installation takes a second or two."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The Python below any virtual environment: that has pip, or can make it.
PYTHON = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")
CLI = """
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions

print(sys.argv[1:], sorted(found.name.lower() for found in distributions()))
"""


def pinned(lock: str, name: str) -> str:
    """One package of a real lock, with its hashes."""
    found = re.search(
        rf"^{name}==.*(?:\n    .*)*", (ROOT / "requirements" / lock).read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found
    return found.group() + "\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The launcher in a folder with a space, before two tiny locks and a command line that lists what it has."""
    folder = tmp_path / "a clone"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy2(ROOT / "gal-friday", folder)
    for name in ("install.py", "installer.lock"):
        shutil.copy2(ROOT / "requirements" / name, folder / "requirements")
    small = pinned("pipeline.lock", "mdurl")
    (folder / "requirements" / "pipeline.lock").write_text(small, encoding="utf-8")
    tools = "".join(
        pinned("dev.lock", name) for name in ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
    )
    (folder / "requirements" / "dev.lock").write_text(small + tools, encoding="utf-8")
    (folder / "gal_friday_live").mkdir()
    (folder / "gal_friday_live" / "cli.py").write_text(CLI, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with uv: the one at hand, else fetched as the launcher fetches it."""
    at_hand = [ROOT / ".venv" / "installer" / "bin" / "uv", Path(shutil.which("uv") or "/nowhere")]
    for uv in at_hand:
        if uv.exists():
            return uv.parent
    folder = tmp_path_factory.mktemp("tools")
    lock = ROOT / "requirements" / "installer.lock"
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--target", folder]
    subprocess.run([*pip, "--require-hashes", "-r", lock], check=True)
    return folder / "bin"


def environment_with(**extra: str | Path) -> dict[str, str]:
    """Ours without Python's own variables, and what the test adds."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "GAL_FRIDAY_PYTHON": PYTHON, **{key: str(value) for key, value in extra.items()}}


def start(
    clone: Path, *arguments: str, tools: Path | None = None, cwd: Path | None = None, **extra: str | Path
) -> "subprocess.CompletedProcess[str]":
    if tools is not None:
        extra["PATH"] = f"{tools}:{os.environ['PATH']}"
    return subprocess.run(
        [clone / "gal-friday", *arguments],
        env=environment_with(**extra),
        cwd=cwd or clone.parent,
        text=True,
        capture_output=True,
        check=False,
        timeout=300,
    )


def test_first_start_installs_with_a_progress_line_and_the_second_starts_at_once(clone: Path) -> None:
    first = start(clone, "models", "two words")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "['models', 'two words'] ['mdurl']\n"
    assert "installing about 1 packages" in first.stderr
    assert "done in" in first.stderr
    # No installer can be called now: neither pip nor uv exist for the second start.
    shutil.rmtree(clone / ".venv" / "installer", ignore_errors=True)
    (clone / "requirements" / "install.py").unlink()
    second = start(clone, "up", cwd=Path("/"))
    assert (second.stdout, second.stderr) == ("['up'] ['mdurl']\n", "")


def test_test_adds_the_tools_and_other_commands_keep_them(clone: Path, tools: Path) -> None:
    assert start(clone, "up", tools=tools).returncode == 0
    (clone / "test_one.py").write_text("def test_one():\n    import gal_friday_live.cli\n", encoding="utf-8")
    tested = start(clone, "test", "-q", "test_one.py", tools=tools)
    assert "1 passed" in tested.stdout, tested.stderr
    again = start(clone, "up", tools=tools)
    assert "pytest" in again.stdout
    assert again.stderr == ""


def test_bench_adds_the_peers_and_runs_one_or_all(clone: Path, tools: Path) -> None:
    shutil.copy2(clone / "requirements" / "dev.lock", clone / "requirements" / "bench.lock")
    with (clone / "requirements" / "bench.lock").open("a", encoding="utf-8") as lock:
        lock.write(pinned("bench.lock", "sortedcontainers"))
    (clone / "benchmarks").mkdir()
    for name in ("bus", "book"):
        script = "import sys\nimport sortedcontainers\nprint(sys.argv[0].rpartition('/')[2], sys.argv[1:])\n"
        (clone / "benchmarks" / f"bench_{name}.py").write_text(script, encoding="utf-8")
    assert start(clone, "up", tools=tools).returncode == 0
    one = start(clone, "bench", "bus", "--quick", tools=tools)
    assert one.stdout == "bench_bus.py ['--quick']\n", one.stderr
    every = start(clone, "bench", tools=tools).stdout
    assert every == "\n== bench_book\nbench_book.py []\n\n== bench_bus\nbench_bus.py []\n"
    unknown = start(clone, "bench", "buss", tools=tools)
    assert unknown.returncode == 2
    assert "no benchmark 'buss'; there are: book bus" in unknown.stderr
    for command in ("up", "test"):  # neither takes the peers away again
        assert "installing" not in start(clone, command, "--version", tools=tools).stderr
    (clone / "benchmarks" / "bench_book.py").write_text("raise SystemExit(1)\n", encoding="utf-8")
    failed = start(clone, "bench", tools=tools)
    assert failed.returncode == 1
    assert "bench_bus.py []" in failed.stdout


def test_a_changed_lock_is_installed(clone: Path, tools: Path) -> None:
    assert start(clone, tools=tools).returncode == 0
    with (clone / "requirements" / "pipeline.lock").open("a", encoding="utf-8") as lock:
        lock.write(pinned("pipeline.lock", "markdown-it-py"))
    assert start(clone, tools=tools).stdout == "[] ['markdown-it-py', 'mdurl']\n"


def test_an_interrupted_installation_is_made_anew(clone: Path, tools: Path) -> None:
    assert start(clone, tools=tools).returncode == 0
    (clone / ".venv" / "installed").unlink()  # the stamp is the last thing an installation writes
    installed = "lib/python*/site-packages/mdurl/*.py"
    for module in (clone / ".venv").glob(installed):
        module.unlink()
    assert start(clone, tools=tools).returncode == 0
    assert list((clone / ".venv").glob(installed))


def test_two_starts_at_once_install_once(clone: Path, tools: Path) -> None:
    with ThreadPoolExecutor() as threads:
        both = list(threads.map(lambda _: start(clone, tools=tools), range(2)))
    assert [ended.stdout for ended in both] == ["[] ['mdurl']\n"] * 2
    assert "".join(ended.stderr for ended in both).count("done in") == 1


def test_a_wrong_hash_installs_nothing_and_says_so(clone: Path, tools: Path) -> None:
    lock = clone / "requirements" / "pipeline.lock"
    lock.write_text(
        re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text(encoding="utf-8")), encoding="utf-8"
    )
    refused = start(clone, tools=tools)
    assert refused.returncode == 2
    assert "failed" in refused.stderr
    assert refused.stdout == ""
    assert not (clone / ".venv" / "installed").exists()


def test_a_private_index_is_used_and_never_shown(clone: Path, tools: Path) -> None:
    settings = {
        "PIP_INDEX_URL": "https://ada:hunter2@127.0.0.1:9/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "https://bob:hunter3@127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CACHE": "1",
    }
    refused = start(clone, tools=tools, **settings)
    assert refused.returncode == 2
    assert "failed" in refused.stderr
    for secret in ("hunter2", "hunter3", "127.0.0.1"):
        assert secret not in refused.stderr


def test_it_starts_through_a_link_and_with_an_unwritable_home(
    clone: Path, tools: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gal-friday").symlink_to("../a clone/gal-friday")
    ran = start(tmp_path / "bin", "up", tools=tools, HOME="/dev/null/home")
    assert ran.stdout == "['up'] ['mdurl']\n", ran.stderr


def test_packages_in_the_working_directory_are_not_ours(clone: Path, tools: Path, tmp_path: Path) -> None:
    (tmp_path / "gal_friday_live").mkdir()
    (tmp_path / "gal_friday_live" / "cli.py").write_text("raise SystemExit(9)", encoding="utf-8")
    assert start(clone, tools=tools, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("named", ["", "/nowhere/python3", "/bin/true"])
def test_without_a_python_it_says_what_to_install(clone: Path, tmp_path: Path, named: str) -> None:
    few = tmp_path / "bin"
    few.mkdir()
    for tool in ("sh", "dirname", "readlink", "cksum", "grep"):
        (few / tool).symlink_to(str(shutil.which(tool)))
    refused = start(clone, "up", PATH=few, GAL_FRIDAY_PYTHON=named)
    assert refused.returncode == 2
    assert ("GAL_FRIDAY_PYTHON is not a Python" if named else "apt-get install python3") in refused.stderr
    assert refused.stderr.count("\n") == 1
