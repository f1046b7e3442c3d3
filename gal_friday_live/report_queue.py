"""Execution reports on their way: each into the journal first, then told, in the order they came."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Journal
from gal_friday_live.tasks import TaskSupervisor

KIND = "EXECUTION_REPORT"
RETRY_S = 1.0
"""After a report could not be journalled it is tried again so much later; it stays first in line."""


class ReportQueue:
    """What the exchange says must survive before anything acts on it.

    `put` never waits, so the exchange's line is read on while the journal is slow. A report that cannot be
    made durable halts trading (the failing task tells), and holds up those behind it until it is.
    """

    def __init__(
        self,
        journal: Journal,
        tasks: TaskSupervisor,
        deliver: Callable[[ExecutionReport], Awaitable[None]],
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._journal = journal
        self._tasks = tasks
        self._deliver = deliver
        self._retry_s = retry_s
        self._waiting: deque[ExecutionReport] = deque()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, report: ExecutionReport) -> None:
        """Take a report; where nothing waits and the journal answers at once it is told on return."""
        self._waiting.append(report)
        self._go_on()

    async def drained(self) -> None:
        """Return once nothing waits."""
        await self._empty.wait()

    def _go_on(self) -> None:
        if self._waiting and not self._draining:
            self._draining = True
            self._empty.clear()
            self._tasks.start_now(self._drain(), "reports")

    async def _drain(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                report = waiting[0]
                await self._journal.append(
                    KIND, key_of(report), report.timestamp_exchange, msgspec.structs.asdict(report)
                )
                waiting.popleft()
                await self._deliver(report)
        finally:
            self._draining = False
            if waiting:
                asyncio.get_running_loop().call_later(self._retry_s, self._go_on)
            else:
                self._empty.set()


def key_of(report: ExecutionReport) -> str:
    """What makes a report one: its fill; else the state, with whatever an amendment may change in it."""
    if report.execution_id is not None:
        return report.execution_id
    key = f"{report.client_order_id}:{report.order_status}:{report.quantity_filled}"
    if report.order_status not in ("NEW", "PARTIALLY_FILLED"):
        return key
    return f"{key}:{report.quantity_ordered}:{report.limit_price}:{report.stop_price}"
