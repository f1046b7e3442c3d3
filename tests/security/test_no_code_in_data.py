"""Nothing that is read can run: no pickle in any disguise, no evaluation of text, no shell, no unsafe XML or YAML."""

import ast

import pytest

from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, ConfigError
from gal_friday_live.configuration import ConfigurationManager
from tests.core.model_files import model_files
from tests.test_house import PACKAGES, calls, dotted, imported, named, sources, tree

MODULES = {
    *(
        "pickle",
        "cPickle",
        "_pickle",
        "pickletools",
        "dill",
        "cloudpickle",
        "joblib",
        "marshal",
        "shelve",
        "torch",
        "skops",
    ),
    *("xmlrpc", "code", "codeop", "imp", "telnetlib", "ftplib"),
}
CALLS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "builtins.eval",
        "builtins.exec",
        "runpy.run_path",
        "runpy.run_module",
    ),
    *(
        "yaml.load",
        "yaml.load_all",
        "yaml.unsafe_load",
        "yaml.full_load",
        "os.system",
        "os.popen",
        "pandas.read_pickle",
    ),
    *(
        "pd.read_pickle",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "ssl._create_unverified_context",
    ),
    *("tempfile.mktemp", "random.seed"),
}
METHODS = {"read_pickle", "to_pickle", "load_model_from_pickle", "extractall"}


def offences(module: ast.Module) -> list[str]:
    found = [name for name, _ in calls(module) if name in CALLS or name.rpartition(".")[2] in METHODS]
    for node in ast.walk(module):
        if isinstance(node, ast.keyword):
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            if (node.arg, value) in {
                ("shell", True),
                ("verify", False),
                ("check_hostname", False),
                ("allow_pickle", True),
            }:
                found.append(f"{node.arg}={value}")
    return found


def test_no_source_loads_or_runs_what_it_reads():
    found = {named(path): told for path in sources(*PACKAGES) if (told := offences(tree(path)))}
    assert found == {}


def test_no_source_imports_what_unpickles():
    found = {
        named(path): sorted(told)
        for path in sources(*PACKAGES)
        if (told := {name.partition(".")[0] for name in imported(path)} & MODULES)
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "eval(x)", "exec(x)", "__import__(x)", "yaml.load(x)", "os.system(x)", "run(x, shell=True)", "get(x, verify=False)",
        "np.load(x, allow_pickle=True)", "frame.to_pickle(x)", "archive.extractall(x)",
    ],
)  # fmt: skip
def test_the_check_sees_each_of_them(line):
    assert offences(ast.parse(line))


def test_yaml_is_composed_with_the_safe_loader_only():
    loaders = [
        dotted(keyword.value)
        for path in sources(*PACKAGES)
        for name, call in calls(tree(path))
        if name.startswith("yaml.")
        for keyword in call.keywords
        if keyword.arg == "Loader"
    ]
    assert loaders
    assert set(loaders) <= {"yaml.SafeLoader", "yaml.CSafeLoader"}


def test_a_configuration_that_asks_for_code_is_text_or_refused(tmp_path):
    file = tmp_path / "config.yaml"
    marker = tmp_path / "ran"
    file.write_text(f"risk: !!python/object/apply:os.system ['touch {marker}']\n")
    with pytest.raises(ConfigError, match="risk is a section"):
        ConfigurationManager(str(file), environ={}).load_config()
    file.write_text("mode: !!python/name:os.system\n")
    with pytest.raises(ConfigError, match="mode"):
        ConfigurationManager(str(file), environ={}).load_config()
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95.",
        b"PK\x03\x04rest",
        b"\x1f\x8b\x08rest",
        b"\x93NUMPY",
        b"\x7fELF",
        b"MZ",
        b"cos\nsystem\n(S'id'\ntR.",
    ],
)
def test_an_artifact_carries_no_pickle_archive_or_program_under_any_name(content):
    for name in ("model.ubj", "extra.json"):
        with pytest.raises(ArtifactError):
            artifact.seal({**model_files(), name: content})


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "model.pt", "../x.json", "a/b.json", ".json", "x.JSON ", "x.py"]
)
def test_an_artifact_has_no_file_of_another_kind_or_place(name):
    with pytest.raises(ArtifactError):
        artifact.seal({**model_files(), name: b"{}"})
