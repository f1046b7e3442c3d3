"""The configuration read again while the engine runs: tighter limits at once, and every attempt in the journal."""

import logging
from collections.abc import Mapping
from typing import Any

from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.ports import Clock, Ids, Journal
from gal_friday_live.configuration import ConfigurationManager, fingerprint

KIND = "CONFIG_RELOAD"

log = logging.getLogger(__name__)


class LimitReload:
    """Carries out a reload and keeps what came of it."""

    def __init__(self, config: ConfigurationManager, *, journal: Journal, clock: Clock, ids: Ids) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def reload(self, who: str) -> dict[str, Any]:
        """Which limits are tighter now, and which other keys wait for the next start; JSON-able.

        Raises ConfigError, with nothing taken over, where the configuration is wrong or a limit would be loosened,
        StorageError where the limits hold but the journal does not say so.
        """
        try:
            changes = self._config.reload()
        except ConfigError as error:
            await self._refused(who, str(error))
            raise
        told = {
            "taken": [{"key": each.key, "before": each.before, "after": each.after} for each in changes],
            "next_start": list(self._config.postponed),
            "config_hash": fingerprint(self._config.config),
        }
        log.info("configuration reloaded by %s: %d limits are tighter", who, len(changes))
        try:
            await self._keep({"who": who, "outcome": "TAKEN", **told})
        except StorageError as error:
            raise StorageError(f"the limits hold, but the journal does not say so: {error}") from error
        return told

    async def _refused(self, who: str, why: str) -> None:
        log.warning("configuration not reloaded for %s: %s", who, why)
        try:
            await self._keep({"who": who, "outcome": "REFUSED", "why": why})
        except StorageError as error:
            log.warning("the refused reload is not in the journal: %s", error)

    async def _keep(self, record: Mapping[str, Any]) -> None:
        await self._journal.append(KIND, self._ids.next_id(), self._clock.now_ns(), record)
