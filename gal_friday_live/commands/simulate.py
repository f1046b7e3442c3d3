"""`gal-friday simulate`: the whole engine in worlds drawn from seeds, and whether it kept its promises."""

from typing import Annotated

import typer

from gal_friday_live.commands import simulate_checks, simulate_worlds
from gal_friday_live.commands.common import JsonOption


def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="How many worlds.")] = 100,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Only this world.", show_default=False)] = None,
    crash_at: Annotated[
        int | None,
        typer.Option(min=1, help="With --seed: kill the engine at this step.", show_default=False),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="With --seed: print everything that happened.")
    ] = False,
    crash_every_step: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SEED",
            help="That world once for each step: the engine is killed there.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="With --crash-every-step: only each so many.")] = 1,
    lasts: Annotated[
        float,
        typer.Option(
            min=1, help="With --seed or --crash-every-step: virtual seconds in which things may go wrong."
        ),
    ] = 200.0,
    desk: Annotated[
        bool,
        typer.Option(
            "--desk",
            help="Worlds of a split engine: trader, decision maker and alphas, any of which may die.",
        ),
    ] = False,
    soak_hours: Annotated[
        int | None,
        typer.Option(
            min=1, help="So many virtual hours without a fault: is memory flat?", show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 takes every processor.")] = 0,
    planted: Annotated[
        bool, typer.Option("--planted", help="Put known bugs into engines: each must be seen.")
    ] = False,
    bug: Annotated[
        list[str] | None, typer.Option(help="With --planted: only this one.", show_default=False)
    ] = None,
    promises: Annotated[
        bool, typer.Option("--promises", help="What is promised, what holds it, and whether it held.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate worlds in which things go wrong, each a function of its seed: crashes, cuts, lost answers, a database
    that hangs. Ends with exit code 1 where a promise was broken, and says by which seed.
    """
    from gal_friday_live.simulation.campaign import processors, seeds_from
    from gal_friday_live.simulation.world import Plan

    jobs = jobs or processors()
    if desk and (planted or promises or soak_hours is not None):
        raise typer.BadParameter(
            "is of worlds; bugs of a desk are among the planted ones", param_hint="--desk"
        )
    if planted:
        simulate_checks.planted(bug or [], first=first, jobs=jobs, as_json=as_json)
    elif promises:
        simulate_checks.promises(first=first, worlds=seeds, jobs=jobs, as_json=as_json)
    elif soak_hours is not None:
        simulate_worlds.soak(soak_hours, seed=1 if seed is None else seed, as_json=as_json)
    elif crash_every_step is not None:
        plan = Plan(seed=crash_every_step, seconds=lasts, desk=desk)
        simulate_worlds.crashes(plan, every=every, jobs=jobs, as_json=as_json)
    elif seed is not None:
        plan = Plan(seed=seed, crash_at=crash_at, seconds=lasts, desk=desk)
        simulate_worlds.single(plan, trace=trace, as_json=as_json)
    else:
        plans = [Plan(seed=one, desk=desk) for one in seeds_from(first, seeds)]
        simulate_worlds.many(plans, jobs=jobs, as_json=as_json)
