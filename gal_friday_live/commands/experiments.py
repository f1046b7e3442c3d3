"""`gal-friday experiments`: compare models on live events, and look as often as you like."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

import typer
from rich.console import Console
from rich.markup import escape

from gal_friday_live.commands.common import (
    ConfigOption,
    JsonOption,
    console,
    known_word,
    load_config,
    print_json,
)

if TYPE_CHECKING:
    from gal_friday_live.experiment_manager import ExperimentManager

Result = TypeVar("Result")

app = typer.Typer(help="Compare models on live events, and look as often as you like.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="Its name or its id.", show_default=False)
]
ActorOption = Annotated[
    str, typer.Option(envvar="USER", help="Who decides; kept in the audit.", show_default=False)
]


@app.command("list")
def list_experiments(
    state: Annotated[
        str | None, typer.Option(help="Only those: CREATED, RUNNING, STOPPED, COMPLETED.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every experiment with its state."""
    from gal_friday_core.experiments.design import State
    from gal_friday_live.commands.shown import table

    wanted = known_word(state, "--state", get_args(State))
    found = _converse(config, lambda manager: manager.list_experiments(wanted))
    if as_json:
        print_json(found)
    else:
        shown = [
            {name: one[name] for name in ("name", "state", "mode", "series", "variants")} for one in found
        ]
        table(shown, "No experiments yet: `gal-friday experiments create` designs one.")


@app.command("show")
def show(experiment: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what an experiment found so far, what is wrong with it, and everything that was decided about it."""
    from gal_friday_live.commands.experiments_shown import print_analysis

    async def both(manager: "ExperimentManager") -> dict[str, Any]:
        await manager.collect(experiment)
        found = await manager.analyze_experiment(experiment)
        described = await manager.get_experiment(experiment)
        return found | {name: described[name] for name in ("traffic_split", "history")}

    found = _converse(config, both)
    if as_json:
        print_json(found)
    else:
        print_analysis(found)


@app.command("create")
def create(
    design: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DESIGN.yaml]", help="Every field of the design; without it, the options below."
        ),
    ] = None,
    *,
    name: Annotated[str | None, typer.Option(help="What it is called.", show_default=False)] = None,
    control: Annotated[
        str | None, typer.Option(metavar="MODEL_ID", help="The model to beat.", show_default=False)
    ] = None,
    challenger: Annotated[
        list[str] | None, typer.Option(metavar="MODEL_ID", help="Repeat for several.", show_default=False)
    ] = None,
    split: Annotated[
        bool,
        typer.Option("--split", help="Split real traffic; otherwise challengers are scored in the shadow."),
    ] = False,
    effect: Annotated[
        float | None, typer.Option(help="The difference a unit that is worth finding.", show_default=False)
    ] = None,
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Design an experiment between registered models. It does nothing until it is started."""
    if design is not None:
        told = _read(design)
    else:
        told = _design(name, control, challenger or [], split=split, effect=effect)
    made = _converse(config, lambda manager: manager.create_experiment(told, actor=actor))
    if as_json:
        print_json({"experiment_id": made, "name": told.get("name")})
    else:
        named = escape(str(told.get("name")))
        Console().print(f"{named} is designed. Start it: gal-friday experiments start {named}")


@app.command("start")
def start(
    experiment: NameArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "started from the command line",
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin; a running engine takes part at once. Says what may be expected, as far as earlier predictions tell."""
    from gal_friday_live.commands.experiments_shown import print_start

    found = _converse(
        config, lambda manager: manager.start_experiment(experiment, actor=actor, reason=reason)
    )
    if as_json:
        print_json(found)
    else:
        print_start(found)


@app.command("stop")
def stop(
    experiment: NameArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "stopped from the command line",
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an experiment for good; traffic goes back to production at once."""
    _converse(config, lambda manager: manager.stop_experiment(experiment, actor=actor, reason=reason))
    if as_json:
        print_json({"experiment": experiment, "state": "STOPPED"})
    else:
        Console().print(f"{escape(experiment)} is stopped.")


@app.command("review")
def review(experiment: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Take in what became known, and act on it: losing variants leave, traffic moves, what is decided ends."""
    from gal_friday_live.commands.experiments_shown import print_analysis

    found = _converse(config, lambda manager: manager.review(experiment))
    if as_json:
        print_json(found)
    else:
        print_analysis(found)


@app.command("simulate")
def simulate(
    kind: Annotated[
        Literal["aa", "ab"],
        typer.Option(help="aa: both variants are the same. ab: the challenger is better."),
    ] = "aa",
    runs: Annotated[int, typer.Option(min=1, help="How many experiments.")] = 1_000,
    units: Annotated[int, typer.Option(min=1_000, help="The most units that each runs for.")] = 10_000,
    block: Annotated[int, typer.Option(min=1, help="Units in one mean; a look follows each.")] = 50,
    alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="Error rate over all looks.")] = 0.05,
    power: Annotated[
        float,
        typer.Option(min=0.5, max=0.999, help="Where no --effect is given: its size is planned for this."),
    ] = 0.8,
    effect: Annotated[
        float | None,
        typer.Option(help="With ab: in standard deviations of a variant's own part.", show_default=False),
    ] = None,
    traffic: Annotated[
        Literal["paired", "split", "thompson"], typer.Option(help="How variants are served.")
    ] = "paired",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run experiments in worlds whose truth is known: how often is a difference found, and how soon."""
    import msgspec

    from gal_friday_core.errors import ConfigError
    from gal_friday_core.experiments.simulation import Course
    from gal_friday_core.experiments.simulation import simulate as run
    from gal_friday_live.commands.shown import show as shown

    if units < 40 * block:
        raise ConfigError(
            f"--units {units} holds {units // block} blocks of {block}; 40 at least are looked at"
        )
    course = Course(
        kind, runs=runs, units=units, block=block, alpha=alpha, power=power, traffic=traffic, seed=seed
    )
    console.print(f"{runs:,} experiments of {units:,} units")
    found = msgspec.to_builtins(run(replace(course, effect=effect)))
    told = {name: value for name, value in found.items() if value is not None}
    shown(found if as_json else told, as_json=as_json)


def _design(
    name: str | None, control: str | None, challengers: list[str], *, split: bool, effect: float | None
) -> dict[str, Any]:
    """Raises ConfigError where an option is missing."""
    from gal_friday_core.errors import ConfigError

    if name is None or control is None or not challengers:
        raise ConfigError("give a DESIGN.yaml, or --name, --control and --challenger")
    names = ["challenger", *(f"challenger-{number}" for number in range(2, len(challengers) + 1))]
    variants = [{"name": "control", "model_id": control}]
    variants += [{"name": one, "model_id": model} for one, model in zip(names, challengers, strict=True)]
    told: dict[str, Any] = {"name": name, "series": control.partition("@v")[0], "variants": variants}
    if split:
        told["mode"] = "split"
    return told if effect is None else told | {"effect": effect}


def _read(path: Path) -> dict[str, Any]:
    """Raises ConfigError where the file cannot be read, or holds no mapping."""
    import yaml

    from gal_friday_core.errors import ConfigError

    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(told, dict):
        raise ConfigError(f"{path}: a design is a mapping of name, series, variants and more")
    return told


def _converse(
    config: Path | None, conversation: "Callable[[ExperimentManager], Awaitable[Result]]"
) -> Result:
    """Open the database, hold one conversation, close it again."""
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.experiment_manager import ExperimentManager

    async def run() -> Result:
        manager = load_config(config)
        async with open_database(manager.config) as database:
            return await conversation(ExperimentManager(manager, database))

    return asyncio.run(run())
