"""`gal-friday simulate`: many worlds with a bar, one world with its trace, crashes at every step, and the long run."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gal_friday_live.commands.common import console, print_json

if TYPE_CHECKING:
    from gal_friday_live.simulation.campaign import Campaign
    from gal_friday_live.simulation.soak import Hour, Soak
    from gal_friday_live.simulation.world import Outcome, Plan

LAST_LINES = 60
"""Of a failing world's trace; `--trace` shows all."""


def many(plans: "Sequence[Plan]", *, jobs: int, as_json: bool) -> None:
    """Run them all; exit code 1 where one broke a promise."""
    from gal_friday_live.simulation.campaign import run_all

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("worlds", total=len(plans))

        def told(outcome: "Outcome") -> None:
            progress.advance(bar)
            _tell(outcome)

        campaign = run_all(plans, jobs=jobs, told=told)
    _conclude(campaign, as_json=as_json)


def single(plan: "Plan", *, trace: bool, as_json: bool) -> None:
    """One world, and its trace where that is wanted or it broke a promise."""
    from gal_friday_live.simulation.campaign import Campaign
    from gal_friday_live.simulation.world import run

    campaign, began = Campaign(), time.monotonic()
    outcome = run(plan)
    campaign.add(outcome)
    campaign.took_s = time.monotonic() - began
    if trace:
        sys.stderr.write("\n".join(outcome.trace) + "\n")
    else:
        _tell(outcome)
    _conclude(campaign, as_json=as_json)


def crashes(plan: "Plan", *, every: int, jobs: int, as_json: bool) -> None:
    """One world again and again, its first engine killed after each of its steps, or every so many."""
    from gal_friday_live.simulation.campaign import crash_points

    many(crash_points(plan, every), jobs=jobs, as_json=as_json)


def soak(hours: int, *, seed: int, as_json: bool) -> None:
    """One engine for so many virtual hours; exit code 1 where a promise broke or memory grows."""
    from gal_friday_live.simulation.soak import soak as run_on

    done = run_on(hours, seed=seed, told=_silent if as_json else _tell_hour)
    if as_json:
        print_json(_figures(done))
    else:
        sys.stdout.write(f"{'flat' if done.flat else 'growing'}: {done.grown}\n")
    _tell(done.outcome)
    if not done.outcome.ok or not done.flat:
        raise typer.Exit(1)


def _figures(done: "Soak") -> dict[str, object]:
    return {
        "virtual_hours": len(done.hours),
        "flat": done.flat,
        "violations": len(done.outcome.violations),
        "hours": [asdict(hour) for hour in done.hours],
        "grown": done.grown,
    }


def _silent(_hour: "Hour") -> None:
    """The hours are printed together, as JSON."""


def _tell_hour(hour: "Hour") -> None:
    sys.stdout.write(
        f"hour {hour.hour:>3}  {hour.rss_mb:7.1f} MB  {hour.objects:>8} objects  {hour.kept:>5} records at the "
        f"exchange  {hour.lines:>6} journalled  {hour.orders:>5} orders  {hour.steps:>9} steps\n"
    )


def _tell(outcome: "Outcome") -> None:
    if outcome.ok:
        return
    from gal_friday_live.simulation.world import SAFETY_S

    asked = " --desk" if outcome.desk else ""
    asked += f" --crash-at {outcome.crash_at}" if outcome.crash_at else ""
    asked += f" --lasts {outcome.lasts:g}" if outcome.lasts != SAFETY_S else ""
    console.print(f"[bold]seed {outcome.seed}[/]: gal-friday simulate --seed {outcome.seed}{asked} --trace")
    for violation in outcome.violations:
        console.print(f"  {violation}", markup=False)
    for line in list(outcome.trace)[-LAST_LINES:]:
        console.print(f"  {line}", markup=False)


def _conclude(campaign: "Campaign", *, as_json: bool) -> None:
    if as_json:
        print_json(campaign.figures())
    else:
        for name, value in campaign.figures().items():
            sys.stdout.write(f"{name:<18} {value}\n")
    if campaign.failed:
        raise typer.Exit(1)
