"""`gal-friday performance`: what takes the running engine's time and memory, and tunings that are tried and judged."""

import asyncio
import getpass
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json
from gal_friday_live.commands.control import WhoOption
from gal_friday_live.commands.shown import show, table

LOOK_EVERY_S: Final = 0.5
MOST_TEXT: Final = 60

app = typer.Typer(help="What takes the engine's time and memory, and tunings that are tried on it.")


@app.callback(invoke_without_command=True)
def performance(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Report event loop, garbage collector, memory, caches, connections and slow statements of the running engine.

    Nothing is changed. Example: gal-friday performance --json
    """
    if context.invoked_subcommand is None:
        told = asyncio.run(_ask(config, "performance"))
        if as_json:
            print_json(told)
        else:
            _show_report(told)


@app.command()
def tune(
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="CACHE, CONNECTION_POOL or MEMORY; may be repeated. All by default.", show_default=False
        ),
    ] = None,
    block: Annotated[
        float | None,
        typer.Option(help="Seconds of a block; performance.block_s by default.", show_default=False),
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(help="Pairs of blocks; performance.pairs by default.", show_default=False)
    ] = None,
    who: WhoOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try what may help, block by block with it and without; keep only what helped beyond chance, undo the rest.

    What is kept holds until the engine ends. Example: gal-friday performance tune --kind MEMORY --block 10
    """
    changes = {"block_s": block, "pairs": pairs, "who": who or getpass.getuser()}
    asked = {name: value for name, value in changes.items() if value is not None}
    results = asyncio.run(_tuned(config, kind or [], asked))
    if as_json:
        print_json(results)
        return
    rows = [{name: _plain(result.get(name)) for name in ("tuning", "what", "before", "after", "unit", "why")} for result in results["results"]]  # fmt: skip
    table(rows, "There was nothing to try.")
    Console(highlight=False).print(results["said"])


@app.command()
def undo(
    name: Annotated[str, typer.Argument(help="A tuning that is in force.", show_default=False)],
    who: WhoOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Undo a tuning that was kept. Example: gal-friday performance undo gc_seldom"""
    show(asyncio.run(_ask(config, "untune", tuning=name, who=who or getpass.getuser())), as_json=as_json)


async def _tuned(config: Any, kinds: list[str], asked: dict[str, Any]) -> dict[str, Any]:
    """Start a run and watch it to its end."""
    await _ask(config, "tune", kinds=kinds, **asked)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} pairs"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        shown = progress.add_task("starting", total=None)
        while (told := await _ask(config, "performance", brief=True))["running"] is not None:
            now = told["running"]
            progress.update(
                shown, description=now["tuning"] or "starting", completed=now["pair"], total=now["pairs"]
            )
            await asyncio.sleep(LOOK_EVERY_S)
    outcome: dict[str, Any] = told["outcome"]
    return outcome


def _show_report(told: dict[str, Any]) -> None:
    memory, collector, pool, loop = (
        told["memory"],
        told["garbage_collector"],
        told["database"],
        told["event_loop"],
    )
    rows = {
        "event loop late by (p99)": "–" if loop is None else f"{1_000 * loop['lag_p99_seconds']:.1f} ms",
        "garbage collection": "–" if collector["share_of_time"] is None else f"{collector['share_of_time']:.2%} of the time",
        "longest collection": f"{1_000 * max(one['longest_s'] for one in collector['generations']):.1f} ms",
        "memory": f"{memory['resident_mb']:.0f} MB",
        "memory grows by": "–" if memory["growth_mb_per_hour"] is None else f"{memory['growth_mb_per_hour']:.1f} MB an hour",
    }  # fmt: skip
    if pool is not None:
        rows["connections"] = (
            f"{pool['connections']} of {pool['most']}; {pool['wait_ms_per_request']:.2f} ms waited for one"
        )
    show(rows, as_json=False)
    table(
        [
            {"ms in all": f"{one['total_ms']:.0f}", "calls": one["calls"], "mean ms": f"{one['mean_ms']:.2f}", "statement": one["text"][:MOST_TEXT], "plan": one["plan"] or one["hint"] or ""}
            for one in told["statements"]["slowest"]
        ],
        "No statements were timed.",
    )  # fmt: skip
    table(
        [
            {"tuning": one["name"], "what": one["what"], "now": one["why_not"] or "may be tried"}
            for one in told["tunings"]
        ],
        "No tunings.",
    )
    for line in told["advice"]:
        Console(highlight=False).print(f"- {line}")


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


async def _ask(config: Any, command: str, **details: Any) -> Any:
    from gal_friday_adapters.paths import data_dir
    from gal_friday_live.control_socket import ask, control_path

    return await ask(control_path(data_dir(load_config(config).config)), command, **details)
