"""`gal-friday models`: what was trained, how it was judged, and what may trade."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_live.model_registry import ModelRegistry

Result = TypeVar("Result")

app = typer.Typer(help="Look at registered models and promote them.", no_args_is_help=True)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL_ID", help="As `models list` prints it: TYPE@vN.", show_default=False)
]


@app.command("list")
def list_models(
    stage: Annotated[
        str | None, typer.Option(help="Only this stage: development, staging, production, archived.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every registered model with its stage and verdict."""
    models = _converse(config, lambda registry: registry.list_models(stage))
    if as_json:
        print_json(models)
        return
    table = Table(Column("model", no_wrap=True), "stage", "verdict", Column("created", no_wrap=True))
    for model in models:
        table.add_row(
            escape(model["model_id"]), model["stage"], _verdict(model["verdict"]), model["created_at"][:16]
        )
    Console().print(table if models else "No models yet: `gal-friday up` trains the first.")


@app.command("show")
def show(model_id: ModelArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show where a model comes from, its metrics, and every change of its stage."""
    model = _converse(config, lambda registry: registry.get_model_metadata(model_id))
    if as_json:
        print_json(model)
        return
    console = Console()
    console.print(_origin(model))
    console.print(_pairs("Metrics", {name: f"{value:.6g}" for name, value in model["metrics"].items()}))
    console.print(_history(model["history"]))


@app.command("promote")
def promote(
    model_id: ModelArgument,
    *,
    stage: Annotated[
        str, typer.Option(help="Where to: production, staging, development, archived.")
    ] = "production",
    override_reason: Annotated[
        str | None,
        typer.Option(
            help="Promote although the gates refused it. Kept in the audit with --actor.", show_default=False
        ),
    ] = None,
    actor: Annotated[
        str, typer.Option(envvar="USER", help="Who decides; kept in the audit.", show_default=False)
    ] = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a model to a stage; a running engine swaps to a new production model at once."""
    override = None if override_reason is None else (actor, override_reason)
    changed = _converse(
        config,
        lambda registry: registry.promote_model(
            model_id, stage, actor=actor, reason="promoted from the command line", override=override
        ),
    )
    if as_json:
        print_json({"model_id": model_id, "stage": stage, "changed": changed})
    else:
        Console().print(f"{escape(model_id)} {'is now' if changed else 'was already'} in {stage}.")


@app.command("key")
def key(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the public key that vouches for the models registered here, to pin as storage.trusted_keys."""
    from gal_friday_adapters.paths import artifacts_dir, keys_dir
    from gal_friday_adapters.signing import SigningKeys

    public = SigningKeys(keys_dir(artifacts_dir(load_config(config).config))).public_key()
    if as_json:
        print_json({"public_key": public})
    else:
        Console().print(public)


def _converse(config: Path | None, conversation: "Callable[[ModelRegistry], Awaitable[Result]]") -> Result:
    """Open the database, hold one conversation with the registry, close it again."""
    # Late, so that help and usage errors do not wait for the database's and the compiler's libraries.
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.model_registry import ModelRegistry

    async def run() -> Result:
        manager = load_config(config)
        async with open_database(manager.config) as database:
            return await conversation(ModelRegistry(manager, database))

    return asyncio.run(run())


def _verdict(verdict: dict[str, Any]) -> str:
    if verdict["passed"]:
        return "[green]passed[/]"
    return f"[red]refused[/]: {escape('; '.join(verdict['reasons']))}"


def _origin(model: dict[str, Any]) -> Table:
    names = ("stage", "created_at", "artifact", "schema_hash", "data_version", "code_version", "config_hash")
    table = _pairs(model["model_id"], {name.replace("_", " "): model[name] for name in names})
    table.add_row("verdict", _verdict(model["verdict"]))
    return table


def _pairs(title: str, values: dict[str, str]) -> Table:
    table = Table("", Column("", overflow="fold"), title=escape(title), show_header=False)
    for name, value in values.items():
        table.add_row(escape(name), escape(value))
    return table


def _history(events: list[dict[str, Any]]) -> Table:
    table = Table(Column("when", no_wrap=True), "from", "to", "by", "reason", title="History")
    for event in events:
        reason = escape(event["reason"])
        table.add_row(
            event["ts"][:19],
            event["previous_stage"] or "",
            event["stage"],
            escape(event["actor"]),
            f"[yellow]override[/]: {reason}" if event["override"] else reason,
        )
    return table
