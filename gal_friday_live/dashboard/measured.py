"""What the engines measure, asked of all of them at once, for Prometheus."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.metrics import Told
from gal_friday_live.control_socket import ask
from gal_friday_live.dashboard.doors import Door

WITHIN_S: Final = 5.0


async def measured(doors: Sequence[Door]) -> list[Told]:
    """Readings and labels of each; of several, who does not answer is a number too (`gal_friday_dashboard_silent`).

    Raises StorageError where nobody answers.
    """
    answers = await asyncio.gather(*(_ask(door) for door in doors))
    told = [Told(one["readings"], one["labels"]) for one in answers if not isinstance(one, str)]
    if not told:
        raise StorageError("; ".join(str(one) for one in answers))
    if len(doors) > 1:
        silent = {door.name: float(isinstance(one, str)) for door, one in zip(doors, answers, strict=True)}
        told.append(Told({"gal_friday_dashboard": {"silent": silent}}, {}))
    return told


async def _ask(door: Door) -> dict[str, Any] | str:
    """Or why there is none."""
    try:
        found: dict[str, Any] = await ask(door.path, "metrics", timeout_s=WITHIN_S)
    except (StorageError, ConfigError) as error:
        return str(error)
    return found
