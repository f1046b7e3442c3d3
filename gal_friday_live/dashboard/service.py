"""`DashboardService` (001 §2.18): each page as HTML, and the numbers of this moment. It serves nothing by itself."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from gal_friday_adapters.postgres.database import Database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dashboard.layout import document
from gal_friday_live.dashboard.pages import BY_NAME, PAGES
from gal_friday_live.dashboard.view import Reading, View


class DashboardService:
    """`database` is only read; None where there is none yet. `reading` tells what the engine said last.

    Raises StorageError from a page whose history cannot be read.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        database: Database | None,
        *,
        reading: Callable[[], Reading] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._config = config
        self._database = database
        self._now_ns = now_ns
        never = Reading("gone", now_ns())
        self._reading = reading or (lambda: never)

    async def render_main_dashboard(self) -> str:
        return await self.render("main")

    async def render_model_dashboard(self) -> str:
        return await self.render("model")

    async def render_trading_dashboard(self) -> str:
        return await self.render("trading")

    async def render_risk_dashboard(self) -> str:
        return await self.render("risk")

    async def render_system_dashboard(self) -> str:
        return await self.render("system")

    def attach(self, database: Database | None) -> None:
        """From now on history is read there, or nowhere."""
        self._database = database

    @property
    def reading(self) -> Reading:
        """What the engine said last."""
        return self._reading()

    async def get_real_time_metrics(self) -> dict[str, Any]:
        """The engine's numbers, with `state` live, hung or gone, `since`, and how old they are."""
        reading, now_ns = self._reading(), self._now_ns()
        return {
            "state": reading.state,
            "since_ns": reading.since_ns,
            "age_s": reading.age_s(now_ns),
            "problem": reading.problem,
            "metrics": dict(reading.metrics),
        }

    async def render(self, name: str, query: Mapping[str, str] | None = None, csrf: str = "") -> str:
        """A page by its name."""
        page, view = BY_NAME[name], self.view(query, csrf)
        return document(page, PAGES, await page.render(view), view)

    def view(self, query: Mapping[str, str] | None = None, csrf: str = "") -> View:
        """What a page is given now."""
        return View(
            manager=self._config, database=self._database, reading=self._reading(), now_ns=self._now_ns(),
            query=query or {}, csrf=csrf,
        )  # fmt: skip
