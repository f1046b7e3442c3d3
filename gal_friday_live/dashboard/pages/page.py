"""What a page of the dashboard is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gal_friday_live.dashboard.markup import Html
from gal_friday_live.dashboard.view import View

Render = Callable[[View], Awaitable[Html]]
Data = Callable[[View], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`render` gives what stands in `<main>`; `layout.document` puts the frame around it.

    `data` answers GET /data/<page>/<name>?… with JSON: a chart's figure (`widgets.chart`), or what is shown when
    somebody opens a row (`widgets.expand`). It is asked after the first paint, by whoever is logged in.
    """

    name: str
    """In the address: /trading. The main page is at /."""
    title: str
    render: Render
    data: Mapping[str, Data] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return "/" if self.name == "main" else f"/{self.name}"
