"""What holds for the whole house: who may import whom, what no source may contain, what no file may tell."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ("gal_friday_core", "gal_friday_testkit", "gal_friday_adapters", "gal_friday_live")
PACKAGES = (*ENGINE, "gal_friday_assets", "jobs", "sensors")
MAX_LINES = 450
# Imported by the pipeline only: an engine host need not even have them.
LEARNS = {"training.py", "learning.py"}
"""With core/learners the only modules that may load what models are trained with."""
PIPELINE_ONLY = ("dagster", "evidently", "pandas", "sklearn", "xgboost", "psycopg2", "plotly")
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system"}
EXECUTES = {"execute", "executemany", "copy", "stream"}


def sources(*packages: str) -> list[Path]:
    return [path for package in packages or PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, text=True, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute, else what can be said of its end."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def is_built_text(node: ast.expr) -> bool:
    """Text put together at run time: an f-string with a value, `%`, `+`, `.format` or `.join` of text."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(value, ast.FormattedValue) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return any(is_text(side) for side in (node.left, node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"format", "join"} and is_text(node.func.value)
    return False


def is_text(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, str)) or is_built_text(node)


def built_statements(module: ast.Module) -> list[int]:
    """Lines where SQL is executed that was put together as text, directly or through a name of its own."""
    built_names = {
        target.id
        for node in ast.walk(module)
        if isinstance(node, ast.Assign) and is_built_text(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        call.lineno
        for name, call in calls(module)
        if name.rpartition(".")[2] in EXECUTES and call.args
        for statement in [call.args[0]]
        if is_built_text(statement) or (isinstance(statement, ast.Name) and statement.id in built_names)
    ]


def test_imports_go_one_way_and_the_core_stays_pure() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


@pytest.mark.parametrize("package", ENGINE)
def test_importing_every_engine_module_loads_nothing_of_the_pipeline(package: str) -> None:
    names = [
        named(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for path in sources(package)
        if not {"migrations", "learners"} & set(path.parts) and path.name not in LEARNS | {"__main__.py"}
    ]
    program = "\n".join(
        [
            "import importlib, sys",
            *(f"importlib.import_module({name!r})" for name in names),
            f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & {set(PIPELINE_ONLY)!r}))",
        ]
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert (ran.stdout, ran.returncode) == ("[]\n", 0), ran.stderr


def defines_assets(path: Path) -> bool:
    return "@dg.asset" in (text := path.read_text(encoding="utf-8")) or "@dg.multi_asset" in text


IMPORTS_THE_ENGINE = """
import importlib, importlib.metadata, json, pkgutil, re, sys
given = json.loads(sys.argv[1])
def plain(name): return re.sub("[-_.]+", "-", name).lower()
owners = importlib.metadata.packages_distributions()
absent = {module for module, names in owners.items() if not {plain(name) for name in names} & set(given["locked"])}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
sys.meta_path.insert(0, Absent())
failed = {}
for package in given["packages"]:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if ".migrations." not in found.name and not found.name.endswith("__main__"):
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                failed[found.name] = error.name
print(json.dumps(failed))
"""


def test_the_engine_imports_nothing_that_its_own_lock_lacks() -> None:
    """Where requirements/engine.lock alone is installed, only what trains a model cannot be imported."""
    lock = (ROOT / "requirements" / "engine.lock").read_text(encoding="utf-8")
    locked = [
        name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)
    ]
    asked = json.dumps({"locked": locked, "packages": ENGINE})
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTS_THE_ENGINE, asked],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    failed = json.loads(ran.stdout.splitlines()[-1])
    learners = {name for name in failed if ".learners." in name or f"{name.rpartition('.')[2]}.py" in LEARNS}
    assert {name: why for name, why in failed.items() if name not in learners} == {}
    assert set(failed.values()) <= set(PIPELINE_ONLY)


def test_jobs_and_sensors_select_assets_and_never_import_them() -> None:
    assets = {
        f"gal_friday_assets.{path.stem}" for path in sources("gal_friday_assets") if defines_assets(path)
    }
    assert len(assets) > 5
    offenders = [
        f"{named(path)}: {name}"
        for path in sources("jobs", "sensors")
        for name in imported(path)
        if name.startswith(tuple(assets))
    ]
    assert offenders == []


def test_nothing_is_unpickled_evaluated_or_loaded_unsafely() -> None:
    offenders = [
        f"{named(path)}: {name}"
        for path in sources()
        for name in (*imported(path), *(name for name, _ in calls(tree(path))))
        if name.partition(".")[0] in UNSAFE_MODULES or name in UNSAFE_CALLS
    ]
    assert offenders == []


def test_numpy_files_never_allow_pickles() -> None:
    offenders = [
        f"{named(path)}:{call.lineno}"
        for path in sources()
        for _, call in calls(tree(path))
        for keyword in call.keywords
        if keyword.arg == "allow_pickle"
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert offenders == []


def test_no_statement_is_put_together_as_text() -> None:
    offenders = [
        f"{named(path)}:{line}"
        for path in sources(*ENGINE, "gal_friday_assets")
        for line in built_statements(tree(path))
    ]
    assert offenders == []


@pytest.mark.parametrize(
    "statement",
    [
        'c.execute(f"select {x}")',
        'c.execute("select %s" % x)',
        'c.execute("select {}".format(x))',
        'c.execute("select " + x)',
        'q = f"select {x}"\nawait_ = c.execute(q)',
        'c.executemany("in (" + ",".join(x) + ")", y)',
    ],
)
def test_the_check_on_statements_sees_each_way_to_build_one(statement: str) -> None:
    assert built_statements(ast.parse(statement))


def test_the_check_on_statements_lets_parameters_and_composition_pass() -> None:
    good = 'c.execute("select %s", (x,))\nc.execute(sql.SQL("select {}").format(sql.Identifier(x)))\nc.execute(TEXT)'
    assert built_statements(ast.parse(good)) == []


def test_files_stay_small() -> None:
    folders = [*PACKAGES, "tests", "benchmarks", "requirements"]
    long = {
        named(path): lines
        for path in sources(*folders)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    # Spelt apart, so that this file does not name them itself.
    told = re.compile(
        "|".join(
            [
                "py" + r"pi\.org",
                "python" + r"hosted\.org",
                r"(?<![\w/.-])/" + r"work/",
                r"/home/" + r"\w+/",
                r"/ro" + r"ot/",
                r"index-" + r"url\s*=?\s*https?:",
                r"\.\./sha" + "red/",
            ]
        )
    )
    offenders = [
        f"{named(path)}:{number}: {found.group()}"
        for path in tracked()
        if path.suffix in {".py", ".lock", ".toml", ".yaml", ".yml", ".md", ".sh", ".json", ""}
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if (found := told.search(line))
    ]
    assert offenders == []


@pytest.mark.parametrize("name", ["engine", "pipeline", "dev", "bench", "installer"])
def test_every_locked_requirement_is_exact_and_hashed_and_names_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert requirements
    for requirement in requirements:
        first, *rest = requirement.split("\n")
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==\S+( ; .+)? \\", first), first
        assert rest
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in rest), first


def versions(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    # Without the markers: a larger set may need a package on more platforms.
    return set(re.findall(r"^(\S+==\S+)", text, re.MULTILINE))


def test_each_lock_contains_the_smaller_ones_at_the_same_versions() -> None:
    assert versions("engine") <= versions("pipeline") <= versions("dev") <= versions("bench")


def test_the_engine_lock_has_no_pipeline_package() -> None:
    locked = {requirement.partition("==")[0] for requirement in versions("engine")}
    assert not locked & {"dagster", "dagster-webserver", "evidently", "pandas", "scikit-learn", "xgboost-cpu"}


def test_the_locks_were_made_from_the_present_dependencies() -> None:
    checked = subprocess.run(
        [ROOT / "requirements" / "update", "--check"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        text=True,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_direct_dependency_is_argued_in_the_documents() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {
        re.split(r"[\[<>=;]", line)[0].strip().lower()
        for lines in (project["dependencies"], *project["optional-dependencies"].values())
        for line in lines
    } - {"gal-friday"}
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert sorted(name for name in direct if f"`{name}`" not in text) == []


def test_the_files_that_are_run_first_are_there():
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
