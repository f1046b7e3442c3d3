"""Retrainings as people look them up afterwards: all of them, or one with everything that happened around it."""

from typing import Any

import msgspec

from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.retrainings import RetrainingRepository
from gal_friday_core.errors import RegistryError
from gal_friday_core.retraining.policy import Retraining
from gal_friday_core.retraining.story import Moment, told
from gal_friday_core.times import to_iso
from gal_friday_live.model_registry import ModelRegistry


class RetrainingHistory:
    """Reads only. Raises StorageError where the database does not answer."""

    def __init__(self, registry: ModelRegistry, database: Database) -> None:
        self._registry = registry
        self._runs = RetrainingRepository(database)
        self._records = LiveRecords(database)

    async def runs(self, model_type: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        """All, or those of a type or in a state, newest first; JSON-ready."""
        found = await self._runs.runs(model_type)
        return [_plain(one) for one in reversed(found) if state in (None, one.state)]

    async def story(self, which: str) -> dict[str, Any]:
        """One, by its id or how that begins: the findings that asked for it, the verdict on its successor, and its `timeline`.

        Raises RegistryError where there is none, or several begin so.
        """
        run = await self._named(which)
        known = await self._models(run)
        timeline = await self._moments(run, known)
        info = await self._runs.info(run.run_id)
        successor = known[run.successor] if run.successor else None
        return {
            **_plain(run),
            "findings": info.get("findings", []),
            "answers": info.get("answers"),
            "successor_stage": successor["stage"] if successor else None,
            "certificate": successor["certificate"] if successor else None,
            "timeline": [
                {"at": to_iso(one.at_ns), **_without(msgspec.to_builtins(one), "at_ns")} for one in timeline
            ],
        }

    async def moments(self, which: str) -> list[Moment]:
        """Its timeline alone."""
        run = await self._named(which)
        return await self._moments(run, await self._models(run))

    async def _models(self, run: Retraining) -> dict[str, dict[str, Any]]:
        """What the registry says of the model that is to be replaced, and of its successor once there is one."""
        models = [run.model_id, *([run.successor] if run.successor else [])]
        return {one: await self._registry.get_model_metadata(one) for one in models}

    async def _moments(self, run: Retraining, known: dict[str, dict[str, Any]]) -> list[Moment]:
        return told(
            run,
            events=await self._runs.events(run.run_id),
            restrictions=await self._registry.restrictions(run.model_id),
            stages={name: one["history"] for name, one in known.items()},
            swaps=await self._records.swaps(list(known)),
        )

    async def _named(self, which: str) -> Retraining:
        found = [one for one in await self._runs.runs() if one.run_id.startswith(which)]
        if not found:
            raise RegistryError(f"no retraining {which!r}: `gal-friday retraining list` shows them")
        if len(found) > 1:
            raise RegistryError(f"{len(found)} retrainings begin with {which!r}: write more of the id")
        return found[0]


def _plain(run: Retraining) -> dict[str, Any]:
    """With times as text."""
    times = {"requested": to_iso(run.requested_ns), "started": _iso(run.started_ns)}
    return {"run_id": run.run_id, **times, **_without(msgspec.to_builtins(run), "requested_ns", "started_ns")}


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else to_iso(at_ns)


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
