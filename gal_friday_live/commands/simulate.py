"""`gal-friday simulate`: the whole engine in worlds drawn from seeds, and whether it kept its promises."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gal_friday_live.commands import simulate_checks
from gal_friday_live.commands.common import JsonOption, console, print_json

if TYPE_CHECKING:
    from gal_friday_live.simulation.campaign import Campaign
    from gal_friday_live.simulation.world import Outcome

LAST_LINES = 60
"""Of a failing world's trace; `--trace` shows all."""


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
    from gal_friday_live.simulation.campaign import simulate as run_all

    if planted:
        simulate_checks.planted(bug or [], first=first, jobs=jobs or processors(), as_json=as_json)
        return
    if promises:
        simulate_checks.promises(first=first, worlds=seeds, jobs=jobs or processors(), as_json=as_json)
        return
    if seed is not None:
        campaign = _single(seed, crash_at, trace=trace)
    else:
        campaign = run_all(list(seeds_from(first, seeds)), jobs=jobs or processors(), told=_tell)
    if as_json:
        print_json(campaign.figures())
    else:
        _print(campaign)
    if campaign.failed:
        raise typer.Exit(1)


def _single(seed: int, crash_at: int | None, *, trace: bool) -> "Campaign":
    import time

    from gal_friday_live.simulation.campaign import Campaign
    from gal_friday_live.simulation.world import Plan, run

    campaign, began = Campaign(), time.monotonic()
    outcome = run(Plan(seed=seed, crash_at=crash_at))
    campaign.add(outcome)
    campaign.took_s = time.monotonic() - began
    if trace:
        sys.stderr.write("\n".join(outcome.trace) + "\n")
    else:
        _tell(outcome)
    return campaign


def _tell(outcome: "Outcome") -> None:
    if outcome.ok:
        return
    console.print(f"[bold]seed {outcome.seed}[/]: gal-friday simulate --seed {outcome.seed} --trace")
    for violation in outcome.violations:
        console.print(f"  {violation}", markup=False)
    for line in outcome.trace[-LAST_LINES:]:
        console.print(f"  {line}", markup=False)


def _print(campaign: "Campaign") -> None:
    for name, value in campaign.figures().items():
        sys.stdout.write(f"{name:<18} {value}\n")
