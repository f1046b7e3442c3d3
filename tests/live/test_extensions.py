"""What is added from outside: made from its template, installed, named in the configuration, and traded; or refused in words."""

import json

import pytest
from typer.testing import CliRunner

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.in_use import in_use, lineage
from gal_friday_core.extensions.offers import BUILT_IN, offers
from gal_friday_core.features.registry import FEATURE_SETS
from gal_friday_core.strategies.registry import STRATEGIES, factory
from gal_friday_live.cli import app
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.extension_installing import add, read, remove
from gal_friday_live.extension_making import make
from tests.live.extending import Site

STRATEGY = """
from gal_friday_core.extensions.contracts import StrategyExtension
from gal_friday_core.strategies.threshold import ThresholdStrategy


class Careful(ThresholdStrategy):
    def __init__(self, config, barriers):
        super().__init__(config.strategy, barriers)
        self.id = "careful"


OFFERED = StrategyExtension(make=lambda parameters, config, barriers: Careful(config, barriers))
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    found = Site(tmp_path, monkeypatch)
    yield found
    found.forget()


def named(strategy, **parameters):
    return Config.model_validate({"strategy": {"id": strategy}, "extensions": {strategy: parameters}})


def test_built_in_names_are_those_that_exist():
    assert BUILT_IN["strategy"] == tuple(STRATEGIES)
    assert BUILT_IN["feature-set"] == tuple(schema.name for schema in FEATURE_SETS)


def test_a_strategy_is_named_in_the_configuration_like_a_built_in(site, tmp_path):
    site.template("strategy", "first-breakout")
    file = tmp_path / "config.yaml"
    file.write_text("strategy:\n  id: first-breakout\nextensions:\n  first-breakout:\n    bars: 20\n")
    manager = ConfigurationManager(str(file), environ={})
    strategy = factory("first-breakout")(manager.config, manager.config.barriers)
    assert (strategy.id, strategy.rule.reach) == ("first-breakout", 21)
    assert manager.get_strategy_parameters("first-breakout")["bars"] == 20


def test_parameters_come_from_the_environment_as_json(site):
    site.template("strategy", "env-breakout")
    environ = {
        "GAL_FRIDAY__STRATEGY__ID": "env-breakout",
        "GAL_FRIDAY__EXTENSIONS": '{"env-breakout": {"bars": 30}}',
    }
    manager = ConfigurationManager(environ=environ)
    assert manager.get_strategy_parameters("env-breakout")["bars"] == 30


def test_lineage_names_package_version_and_code_and_changes_with_the_code(site):
    site.package("careful-trading", STRATEGY, strategies='careful = "careful_trading:OFFERED"')
    before = lineage(named("careful"))
    assert before.startswith("careful-trading-1.0+")
    (site.folder / "careful_trading" / "__init__.py").write_text(STRATEGY + "\n# changed\n")
    (
        site.folder / "more"
    ).mkdir()  # another process would see it at once: here the path says that it is another
    import sys

    sys.path.insert(0, str(site.folder / "more"))
    try:
        after = lineage(named("careful"))
    finally:
        sys.path.remove(str(site.folder / "more"))
    assert after != before
    assert lineage(Config()) == ""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_module_anywhere", "cannot be loaded from broken_one:OFFERED: ModuleNotFoundError"),
        ("OFFERED = 1 / 0", "broken_one:OFFERED: ZeroDivisionError: division by zero; repair or uninstall"),
        ("OFFERED = (", "broken_one:OFFERED: SyntaxError"),
        ("", "broken_one:OFFERED: AttributeError"),
        ("OFFERED = 3", "broken_one:OFFERED is int, not StrategyExtension: see docs/extending.md"),
        (STRATEGY, "calls itself 'careful': its id must be the name of its entry point"),
    ],
)
def test_what_cannot_be_loaded_is_told_with_its_package(site, code, says):
    site.package("broken-one", code, strategies='broken = "broken_one:OFFERED"')
    config = named("broken")
    with pytest.raises(ConfigError) as caught:
        factory("broken")(config, config.barriers)
    assert "strategy 'broken' of broken-one 1.0" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_left_of_what_loaded_half(site):
    import sys

    site.package(
        "half-there", "loaded = True\nraise OSError('later')", strategies='half = "half_there:OFFERED"'
    )
    with pytest.raises(ConfigError, match="OSError: later"):
        in_use(named("half"))
    assert "half_there" not in sys.modules


def test_only_what_is_named_is_imported(site):
    import sys

    site.package("never-asked", "raise SystemError('imported')", strategies='never = "never_asked:OFFERED"')
    assert in_use(Config()) == ()
    assert "never_asked" not in sys.modules


def test_a_name_that_is_built_in_is_refused_where_it_is_used(site):
    site.package("shadow", STRATEGY, strategies='threshold = "shadow:OFFERED"')
    with pytest.raises(
        ConfigError, match=r"strategy 'threshold' of shadow 1.0 has the name of something built in"
    ):
        ConfigurationManager(environ={}).load_config()


def test_a_name_that_two_packages_offer_is_neithers(site):
    site.package("one-of-two", STRATEGY, strategies='twice = "one_of_two:OFFERED"')
    site.package("two-of-two", STRATEGY, strategies='twice = "two_of_two:OFFERED"')
    with pytest.raises(ValueError, match=r"offered more than once .*one-of-two 1.0.*two-of-two 1.0"):
        named("twice")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"bars": 1}, "extensions.wrong-breakout.bars: must be greater than or equal to 2"),
        (
            {"bas": 5},
            "extensions.wrong-breakout.bas: unknown parameter: wrong-breakout takes bars, stop, target",
        ),
    ],
)
def test_a_wrong_parameter_is_told_by_its_key(site, parameters, says):
    site.template("strategy", "wrong-breakout")
    with pytest.raises(ConfigError) as caught:
        in_use(named("wrong-breakout", **parameters))
    assert str(caught.value) == says


def test_parameters_for_what_nobody_offers_are_told():
    with pytest.raises(
        ConfigError, match=r"extensions.nobody: no installed package offers this name; offered are: none"
    ):
        in_use(Config.model_validate({"extensions": {"nobody": {}}}))


def test_installing_again_replaces_and_removing_leaves_nothing(site):
    folder = site.template("strategy", "passing-breakout")
    add(folder, site=site.folder)
    assert len(list(site.folder.glob("*.dist-info"))) == 1
    remove("passing-breakout", site=site.folder)
    assert list(site.folder.iterdir()) == []
    with pytest.raises(ConfigError, match="no package 'passing-breakout' is installed"):
        remove("passing-breakout", site=site.folder)


def test_what_others_have_in_the_same_folder_stays(site):
    (site.folder / "passing_breakout").mkdir()
    (site.folder / "passing_breakout" / "theirs.py").write_text("kept = 1\n")
    site.template("strategy", "passing-breakout")
    remove("passing-breakout", site=site.folder)
    assert [path.name for path in site.folder.rglob("*.py")] == ["theirs.py"]


def test_a_file_of_another_package_is_not_overwritten_and_nothing_changes(site, tmp_path):
    make("strategy", "clashing-breakout", tmp_path / "clashing")
    (site.folder / "clashing_breakout").mkdir()
    theirs = site.folder / "clashing_breakout" / "__init__.py"
    theirs.write_text("kept = 1\n")
    with pytest.raises(ConfigError, match=r"__init__.py belongs to another package"):
        add(tmp_path / "clashing", site=site.folder)
    assert theirs.read_text() == "kept = 1\n"
    assert list(site.folder.glob("*.dist-info")) == []


def test_a_package_of_another_installer_is_left_to_it(site, tmp_path):
    folder = site.template("strategy", "foreign-breakout")
    (by,) = site.folder.glob("*.dist-info/INSTALLER")
    by.write_text("pip\n")
    for act in (lambda: add(folder, site=site.folder), lambda: remove("foreign-breakout", site=site.folder)):
        with pytest.raises(ConfigError, match="was not installed by this program: uninstall it with pip"):
            act()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("", "offers nothing"),
        ("[project", "pyproject.toml: "),
        (
            '[project]\nversion = "1"\n[project.entry-points."gal_friday.strategies"]\na = "a:A"\n',
            "needs a name and a version",
        ),
        (
            """[project]\nname = "a"\nversion = "1"\ndependencies = ["no-such-thing>=1"]
[project.entry-points."gal_friday.strategies"]\na = "a:A"\n""",
            "needs no-such-thing>=1, which is not installed: install the package with pip",
        ),
        (
            '[project]\nname = "a"\nversion = "1"\n[project.entry-points."gal_friday.strategies"]\na = "a:A"\n',
            "no Python code there",
        ),
    ],
)
def test_a_folder_that_is_no_package_is_refused(tmp_path, told, says):
    (tmp_path / "pyproject.toml").write_text(told)
    with pytest.raises(ConfigError, match=says):
        read(tmp_path)


@pytest.mark.parametrize(
    "name", ["Breakout", "threshold", "json", "gal-friday-x", "class", "numpy", "a" * 41, "../up"]
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(ConfigError):
        make("strategy", name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="not empty"):
        make("strategy", "mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_lists_what_is_installed_and_says_what_cannot_be_used(site):
    site.template("strategy", "listed-breakout")
    told = CliRunner().invoke(app, ["extensions", "list", "--json"])
    (one,) = json.loads(told.stdout)["extensions"]
    assert told.exit_code == 0
    assert (one["name"], one["distribution"], one["parameters"]) == (
        "listed-breakout",
        "listed-breakout",
        ["bars", "stop", "target"],
    )
    assert len(one["code"]) == 64
    site.package("shadow", STRATEGY, strategies='ema_cross = "shadow:OFFERED"')
    assert len(offers()) == 1  # read once for a path: the command is a process of its own
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site.folder / "anew"))
        told = CliRunner().invoke(app, ["extensions", "list", "--json"])
    assert told.exit_code == 1
    assert "built in" in "".join(one["problem"] for one in json.loads(told.stdout)["extensions"])


def test_the_command_makes_a_package(tmp_path):
    told = CliRunner().invoke(
        app, ["new", "strategy", "made-here", "--folder", str(tmp_path / "made"), "--json"]
    )
    assert told.exit_code == 0
    files = {
        path.relative_to(tmp_path / "made").as_posix()
        for path in (tmp_path / "made").rglob("*")
        if path.is_file()
    }
    assert files == {"pyproject.toml", "README.md", "src/made_here/__init__.py", "tests/test_made_here.py"}
    assert len(json.loads(told.stdout)["files"]) == 4
