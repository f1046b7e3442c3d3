"""Experiments reviewed: every running one, its page, and what Dagster is told of it."""

from pathlib import Path
from typing import Any

import dagster as dg

from gal_friday_adapters.experiment_page import render
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.pages import link
from gal_friday_assets.resources import Settings
from gal_friday_core.experiments.analysis import Curve, curves
from gal_friday_live.experiment_manager import ExperimentManager

Reviewed = tuple[dict[str, Any], list[Curve]]


async def review(settings: Settings, lake: CandleLake) -> list[Reviewed]:
    """Every running experiment, once, with the curves of its page."""
    found = []
    async with Database(settings.database_url) as database:
        manager = ExperimentManager(settings.manager, database, lake=lake)
        for running in await manager.get_active_experiments():
            named = running["experiment_id"]
            analysis = await manager.review(named)
            described = await manager.get_experiment(named)
            analysis |= {name: described[name] for name in ("traffic_split", "history")}
            found.append((analysis, curves(*await manager.observed(named))))
    return found


def write_page(settings: Settings, found: dict[str, Any], drawn: list[Curve]) -> Path:
    """Under the experiment's id, the same at every look."""
    page = settings.report_file("experiments", found["experiment_id"], "experiment.html")
    page.write_text(render(found, drawn), encoding="utf-8")
    return page


def described(found: list[dict[str, Any]], pages: dict[str, Path]) -> Metadata:
    """By experiment and challenger: difference, interval, p-value; and the same as a table."""
    compared = [(one, comparison) for one in found for comparison in one["comparisons"]]
    measured = {
        f"{one['name']}_{comparison['variant']}_{name}": comparison[name]
        for one, comparison in compared
        for name in ("difference", "low", "high", "p_value")
    }
    measured |= {
        f"{one['name']}_{answered['variant']}_{name}": answered[name]
        for one in found
        for answered in one["answers"]
        for name in ("refused_share", "filled_share")
        if answered[name] is not None
    }
    lines = [
        f"| {one['name']} | {comparison['variant']} | {one['units']} | {comparison['verdict']} "
        f"| {comparison['p_value']:.4f} | {one['state']} | {one['recommendation']} |"
        for one, comparison in compared
    ]
    head = [
        "| experiment | challenger | units | verdict | p | state | what to do |",
        "|---|---|---|---|---|---|---|",
    ]
    alarms = {
        one["name"]: "; ".join(alarm["text"] for alarm in one["alarms"]) for one in found if one["alarms"]
    }
    return {
        "running": len(found),
        "by_challenger": dg.MetadataValue.md("\n".join([*head, *lines])),
        "alarms": dg.MetadataValue.json(alarms),
        **{f"page_{name}": link(page) for name, page in pages.items()},
        **numbers(measured),
    }
