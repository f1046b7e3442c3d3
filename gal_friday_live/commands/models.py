"""`gal-friday models`: what was trained, how it was judged, and what may trade."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_live.model_registry import ModelRegistry

Result = TypeVar("Result")

app = typer.Typer(help="Look at registered models, promote them, and take them back.", no_args_is_help=True)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL_ID", help="As `models list` prints it: TYPE@vN.", show_default=False)
]
ActorOption = Annotated[
    str, typer.Option(envvar="USER", help="Who decides; kept in the audit.", show_default=False)
]
OverrideOption = Annotated[
    str | None,
    typer.Option(
        help="Promote although it is refused. Signed, and kept in the audit with --actor.", show_default=False
    ),
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept in the audit.")]


@app.command("list")
def list_models(
    stage: Annotated[
        str | None, typer.Option(help="Only this stage: development, staging, production, archived.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every registered model with its stage, verdict, and whether its certificate passed."""
    from gal_friday_live.commands.models_shown import model_list, wide

    models = _converse(config, lambda registry: registry.list_models(stage))
    if as_json:
        print_json(models)
    else:
        wide().print(model_list(models) if models else "No models yet: `gal-friday up` trains the first.")


@app.command("show")
def show(model_id: ModelArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show where a model comes from, its certificate gate by gate, its metrics, and every change of its stage."""
    from gal_friday_live.commands import models_shown

    model = _converse(config, lambda registry: registry.get_model_metadata(model_id))
    if as_json:
        print_json(model)
        return
    console = models_shown.wide()
    console.print(models_shown.origin(model))
    gates = models_shown.gates(model["certificate"])
    if gates is not None:
        console.print(gates)
    metrics = {name: f"{value:.6g}" for name, value in model["metrics"].items()}
    console.print(models_shown.pairs("Metrics", metrics))
    console.print(models_shown.history(model["history"]))
    steps = models_shown.steps(model["restrictions"])
    if steps is not None:
        console.print(steps)


@app.command("diff")
def diff(
    model_id: ModelArgument, other_id: ModelArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what two models do not have in common: data, code, settings, metrics, gates."""
    from gal_friday_live.commands.models_shown import difference as tables
    from gal_friday_live.commands.models_shown import wide
    from gal_friday_live.model_diff import difference

    async def both(registry: "ModelRegistry") -> list[dict[str, Any]]:
        one = await registry.get_model_metadata(model_id)
        return difference(one, await registry.get_model_metadata(other_id))

    found = _converse(config, both)
    if as_json:
        print_json(found)
        return
    shown = tables(found)
    for table in shown:
        wide().print(table)
    if not shown:
        Console().print(f"{escape(model_id)} and {escape(other_id)} say the same of themselves.")


@app.command("certify")
def certify(model_id: ModelArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Judge a model anew, against the one that is in production now. Exit code 1 where a gate refuses it."""
    from gal_friday_live.commands import models_certify

    found = asyncio.run(models_certify.certify(load_config(config).config, config, model_id))
    if as_json:
        print_json(found)
    else:
        Console().print(f"{escape(model_id)} {'passed' if found['certified'] else 'is refused'}.")
        for reason in found["reasons"]:
            Console().print(f"  - {escape(reason)}")
        Console().print(f"Validation page: {escape(found['validation_page'])}")
    if not found["certified"]:
        raise typer.Exit(1)


@app.command("promote")
def promote(
    model_id: ModelArgument,
    *,
    stage: Annotated[
        str, typer.Option(help="Where to: production, staging, development, archived.")
    ] = "production",
    override_reason: OverrideOption = None,
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a model to a stage; a running engine swaps to a new production model at once."""
    changed = _converse(
        config,
        lambda registry: registry.promote_model(
            model_id,
            stage,
            actor=actor,
            reason="promoted from the command line",
            override=_override(actor, override_reason),
        ),
    )
    said = f"{'is now' if changed else 'was already'} in {stage}"
    _tell(model_id, stage, said, changed=changed, as_json=as_json)


@app.command("demote")
def demote(
    model_id: ModelArgument,
    *,
    stage: Annotated[
        str | None, typer.Option(help="Where to, if not one stage down.", show_default=False)
    ] = None,
    reason: ReasonOption = "demoted from the command line",
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a model one stage down; a running engine opens nothing more by it, and its positions end as they would."""
    now = _converse(
        config, lambda registry: registry.demote_model(model_id, stage, actor=actor, reason=reason)
    )
    _tell(model_id, now, f"is now in {now}", as_json=as_json)


@app.command("rollback")
def rollback(
    model_type: Annotated[
        str,
        typer.Argument(metavar="MODEL_TYPE", help="The part of a model's id before @v.", show_default=False),
    ],
    *,
    reason: ReasonOption = "rolled back from the command line",
    override_reason: OverrideOption = None,
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the model back that was in production before the last one; repeated, it goes back further."""
    of_type, _, _ = model_type.partition("@v")
    restored = _converse(
        config,
        lambda registry: registry.rollback_model(
            of_type, actor=actor, reason=reason, override=_override(actor, override_reason)
        ),
    )
    _tell(restored, "production", "is back in production", as_json=as_json)


@app.command("release")
def release(
    model_id: ModelArgument,
    *,
    reason: ReasonOption = "released from the command line",
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift what drift restricts a model to; a running engine trades by it again at once, unless it is halted."""
    released = _converse(
        config, lambda registry: registry.release_model(model_id, actor=actor, reason=reason)
    )
    if as_json:
        print_json({"model_id": model_id, "released": released})
    else:
        Console().print(f"{escape(model_id)} {'is free again' if released else 'was not restricted'}.")


@app.command("export")
def export(
    model_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL_ID]...", help="All, where none is named.")
    ] = None,
    *,
    mlflow: Annotated[
        str, typer.Option(metavar="DIR|URL", help="A folder, or MLflow's address.", show_default=False)
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show models to MLflow: parameters, metrics, files, stage. Nothing is ever read back."""
    from gal_friday_adapters.mlflow_export import MlflowExport

    target = MlflowExport(mlflow)

    async def all_of_them(registry: "ModelRegistry") -> list[dict[str, Any]]:
        wanted = model_ids or [model["model_id"] for model in await registry.list_models()]
        told = []
        for model_id in wanted:
            artifact = await registry.get_model(model_id, stage=None)
            certificate = await registry.get_certificate(model_id)
            document = None if certificate is None else certificate.to_bytes()
            model = await registry.get_model_metadata(model_id)
            told.append(await asyncio.to_thread(target.export, model, artifact.files, document))
        return told

    told = _converse(config, all_of_them)
    if as_json:
        print_json(told)
    for one in [] if as_json else told:
        Console().print(
            f"{escape(one['model_id'])}: run {one['run_id']}{'' if one['new'] else ', there already'}"
        )


@app.command("key")
def key(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the public key that vouches for the models registered here, to pin as storage.trusted_keys."""
    from gal_friday_adapters.paths import artifacts_dir, keys_dir
    from gal_friday_adapters.signing import SigningKeys

    settings = load_config(config).config
    public = SigningKeys(keys_dir(artifacts_dir(settings), settings)).public_key()
    if as_json:
        print_json({"public_key": public})
    else:
        Console().print(public)


def _override(actor: str, reason: str | None) -> tuple[str, str] | None:
    return None if reason is None else (actor, reason)


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


def _tell(model_id: str, stage: str, said: str, *, changed: bool = True, as_json: bool) -> None:
    """Where a model is now."""
    if as_json:
        print_json({"model_id": model_id, "stage": stage, "changed": changed})
    else:
        Console().print(f"{escape(model_id)} {said}.")
