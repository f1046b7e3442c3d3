"""`gal-friday new` and `gal-friday extensions`: make, install and look at what is added from outside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.common import JsonOption, console, print_json

if TYPE_CHECKING:
    from gal_friday_core.extensions.offers import Offer

BROKEN = 1
"""Exit code where something installed cannot be used."""

app = typer.Typer(
    help="Strategies, feature sets, risk rules and exchanges of installed packages.", no_args_is_help=True
)
new = typer.Typer(
    help="Make a package of your own: a strategy, a feature set, a risk rule or an exchange, with its test.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(help="What it is called in the configuration.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(help="Where to write it; a folder of that name here by default.", show_default=False),
]


@new.command("strategy")
def new_strategy(name: NameArgument, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """A strategy: it buys a breakout, without a model.

    gal-friday new strategy my-breakout
    """
    _make("strategy", name, folder, as_json=as_json)


@new.command("feature-set")
def new_feature_set(name: NameArgument, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """A feature set: the columns of candles-v1 and two of its own.

    gal-friday new feature-set steadiness
    """
    _make("feature-set", name, folder, as_json=as_json)


@new.command("risk-rule")
def new_risk_rule(name: NameArgument, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """A risk rule: less is bought, or nothing, in some hours of the day.

    gal-friday new risk-rule night-watch
    """
    _make("risk-rule", name, folder, as_json=as_json)


@new.command("exchange")
def new_exchange(name: NameArgument, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """An exchange: an adapter over a market in memory, to be replaced by the real one call by call.

    gal-friday new exchange my-venue
    """
    _make("exchange", name, folder, as_json=as_json)


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """Everything that installed packages offer, loaded once to see whether it can be. Exit code 1 where one cannot.

    gal-friday extensions list --json
    """
    from gal_friday_core.extensions.offers import offers

    told = [_looked_at(offer) for offer in offers()]
    if as_json:
        print_json({"extensions": told})
    elif told:
        Console().print(_table(told))
    else:
        console.print("No installed package offers anything. gal-friday new strategy NAME makes one.")
    if any(one["problem"] for one in told):
        raise typer.Exit(BROKEN)


@app.command("add")
def add(
    folder: Annotated[Path, typer.Argument(help="The package's folder, as gal-friday new makes it.")],
    edit: Annotated[
        bool, typer.Option("--edit", help="Leave its code there, so that changes count at once.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Install a package from its folder into this environment, in place of an earlier version of it.

    gal-friday extensions add ./my-breakout
    """
    from gal_friday_live.extension_installing import add as install
    from gal_friday_live.extension_installing import read

    done = install(folder, edit=edit)
    offered = [name for points in read(folder).offers.values() for name in points]
    if as_json:
        print_json(
            {
                "distribution": done.distribution,
                "version": done.version,
                "folder": done.folder,
                "offers": offered,
            }
        )
    else:
        console.print(f"{done.distribution} {done.version} is installed and offers {', '.join(offered)}.")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The package's name, as extensions list has it.")],
    as_json: JsonOption = False,
) -> None:
    """Take a package out that `extensions add` put in.

    gal-friday extensions remove my-breakout
    """
    from gal_friday_live.extension_installing import remove as uninstall

    uninstall(name)
    if as_json:
        print_json({"removed": name})
    else:
        console.print(f"{name} is removed.")


def _make(kind: Any, name: str, folder: Path | None, *, as_json: bool) -> None:
    from gal_friday_live.extension_making import make

    target = folder or Path(name)
    written = make(kind, name, target)
    if as_json:
        print_json(
            {"kind": kind, "name": name, "folder": str(target), "files": [str(path) for path in written]}
        )
        return
    for path in written:
        console.print(f"  {escape(str(path))}")
    console.print(
        f"\n{name} works as it is. Next: gal-friday extensions add --edit {escape(str(target))}, "
        f"then change {escape(str(target / 'src'))}; {escape(str(target / 'README.md'))} says the rest."
    )


def _looked_at(offer: "Offer") -> dict[str, Any]:
    from gal_friday_core.extensions.contracts import CONTRACTS
    from gal_friday_core.extensions.loading import loaded

    told: dict[str, Any] = {
        "kind": offer.kind, "name": offer.name, "distribution": offer.distribution, "version": offer.version,
        "target": offer.target, "code": None, "parameters": [], "problem": "",
    }  # fmt: skip
    try:
        found = loaded(offer, CONTRACTS[offer.kind])
    except ConfigError as error:
        return {**told, "problem": str(error)}
    return {**told, "code": found.code, "parameters": list(found.contents.parameters.model_fields)}


def _table(told: list[dict[str, Any]]) -> Table:
    table = Table("Kind", "Name", "Package", "Code", "Parameters", "Problem")
    for one in told:
        package = f"{one['distribution']} {one['version']}"
        parameters = ", ".join(one["parameters"])
        code = (one["code"] or "")[:12]
        table.add_row(one["kind"], one["name"], escape(package), code, parameters, escape(one["problem"]))
    return table
