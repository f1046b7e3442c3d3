"""Dagster's web server with the reports beside its own pages: `python -m gal_friday_assets.web` is `dagster-webserver`.

A page is one file without scripts, and is shown so that it could run none and reach nothing.
"""

from pathlib import Path
from typing import Any

import dagster_webserver.app
import dagster_webserver.cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from gal_friday_adapters.paths import reports_dir
from gal_friday_assets.pages import PREFIX
from gal_friday_assets.resources import Settings

HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Reports(StaticFiles):
    """Files of one folder, none outside it."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def reports(folder: Path) -> Mount:
    """The folder, made where there is none yet, as part of a web application."""
    folder.mkdir(parents=True, exist_ok=True)
    return Mount(PREFIX, Reports(directory=folder))


class Webserver(DagsterWebserver):  # type: ignore[type-arg] # its contexts are Dagster's own
    """Its routes end with one that takes everything, so ours come first."""

    def build_routes(self) -> list[BaseRoute]:
        return [reports(reports_dir(Settings().config)), *super().build_routes()]


def main() -> None:
    """Run Dagster's own command line, which has no place for routes and makes whatever class has this name."""
    dagster_webserver.app.DagsterWebserver = Webserver  # type: ignore[misc]
    dagster_webserver.cli.main()


if __name__ == "__main__":
    main()
