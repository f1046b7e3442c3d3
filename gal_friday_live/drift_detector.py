"""Looks at a model for drift of its inputs, its scores, the relation it learnt, and its results (003).

What is seen is decided in `gal_friday_core.drift`; here it is read, and told as DRIFT_DETECTION events.
"""

import asyncio
import logging

from gal_friday_core.drift.finding import Finding
from gal_friday_core.drift.looks import DriftRecords, Look, look
from gal_friday_core.errors import DataError
from gal_friday_core.ports import Clock
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager

SOURCE = "RetrainingPipeline"
"""The module that DRIFT_DETECTION events come from, as the contract names it."""

log = logging.getLogger(__name__)


class DriftDetector:
    """`records` says what is known of a model; with an `event_bus` every finding that exceeds its threshold is published.

    Loads river, which takes seconds: it belongs beside the engine, not into it.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        *,
        records: DriftRecords,
        clock: Clock | None = None,
        event_bus: PubSubManager | None = None,
    ) -> None:
        self._config = config
        self._records = records
        self._clock = clock or SystemClock()
        self._bus = event_bus

    async def detect(self, model_id: str) -> tuple[Finding, ...]:
        """One finding a type, in the order of `DRIFT_TYPES`, as of now; undecided, with the reason, where nobody can say."""
        return (await self.look(model_id)).findings

    async def look(self, model_id: str) -> Look:
        """`detect`, with all that was measured on the way."""
        now_ns = self._clock.now_ns()
        try:
            watched = await self._records.watched(model_id, now_ns)
        except DataError as error:
            seen = Look.nothing(model_id, now_ns, str(error))
        else:
            seen = await asyncio.to_thread(look, watched, now_ns, self._config.config.drift)
        for finding in seen.findings:
            await self._tell(finding)
        return seen

    async def _tell(self, finding: Finding) -> None:
        log.log(
            logging.WARNING if finding.threshold_exceeded else logging.INFO,
            "%s of %s: %s: %s",
            finding.drift_type, finding.model_id, finding.severity, finding.metrics["reason"],
        )  # fmt: skip
        if self._bus is not None and finding.threshold_exceeded:
            await self._bus.publish("DRIFT_DETECTION", finding, source=SOURCE)
