"""`gal-friday retraining`: which models were trained again, why, and what became of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, known_word, load_config, print_json
from gal_friday_live.commands.models import ModelArgument

if TYPE_CHECKING:
    from gal_friday_adapters.postgres.database import Database
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.model_registry import ModelRegistry

Result = TypeVar("Result")

app = typer.Typer(
    help="See which models were trained again, why, and what became of it.", no_args_is_help=True
)

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RETRAINING",
        help="Its id, or how that begins, as `retraining list` prints it.",
        show_default=False,
    ),
]


@app.command("list")
def list_retrainings(
    model_type: Annotated[
        str | None, typer.Option("--type", help="Only those of a model type.", show_default=False)
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Only those: REQUESTED, HELD_BACK, STARTED, SHADOW, READY, PROMOTED, REFUSED, FAILED.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every retraining, newest first: its cause, its state, its successor."""
    from gal_friday_core.retraining.policy import State
    from gal_friday_live.commands.retraining_shown import listed
    from gal_friday_live.retraining_history import RetrainingHistory

    wanted = known_word(state, "--state", get_args(State))
    found = _converse(
        config, lambda _, registry, database: RetrainingHistory(registry, database).runs(model_type, wanted)
    )
    if as_json:
        print_json(found)
    else:
        listed(found)


@app.command("show")
def show(which: RunArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one from the drift that asked for it to the engine that trades its successor, moment by moment."""
    from gal_friday_live.commands.retraining_shown import story
    from gal_friday_live.retraining_history import RetrainingHistory

    found = _converse(
        config, lambda _, registry, database: RetrainingHistory(registry, database).story(which)
    )
    if as_json:
        print_json(found)
    else:
        story(found)


@app.command("ask")
def ask(
    model_id: ModelArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept with the retraining.")] = "asked for by name",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a successor of a model. Cool-down and budget count here too; the sensor `retraining` starts the run."""
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_adapters.paths import lake_dir
    from gal_friday_live.commands.shown import show as shown
    from gal_friday_live.model_records import ModelRecords
    from gal_friday_live.retraining_history import RetrainingHistory
    from gal_friday_live.retraining_pipeline import RetrainingPipeline

    async def asked(
        manager: "ConfigurationManager", registry: "ModelRegistry", database: "Database"
    ) -> dict[str, Any]:
        settings = manager.config
        records = ModelRecords(registry, database, CandleLake(lake_dir(settings)), settings)
        pipeline = RetrainingPipeline(manager, registry, database=database, records=records)
        run_id = await pipeline.trigger_retraining(model_id, {"cause": "operator", "reason": reason})
        runs = await RetrainingHistory(registry, database).runs()
        return next(one for one in runs if one["run_id"] == run_id)

    found = _converse(config, asked)
    told = {name: found[name] for name in ("run_id", "model_id", "state", "said")}
    shown(found if as_json else told, as_json=as_json)


def _converse(
    config: Path | None,
    conversation: "Callable[[ConfigurationManager, ModelRegistry, Database], Awaitable[Result]]",
) -> Result:
    """Open the database, hold one conversation, close it again."""
    from gal_friday_adapters.artifact_store import artifacts_of
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.model_registry import ModelRegistry

    async def run() -> Result:
        manager = load_config(config)
        async with open_database(manager.config) as database:
            store = artifacts_of(manager.config)
            return await conversation(manager, ModelRegistry(manager, database, artifacts=store), database)

    return asyncio.run(run())
