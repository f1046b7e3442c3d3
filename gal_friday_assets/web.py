"""Dagster's web server with the reports beside its own pages: `python -m gal_friday_assets.web` is `dagster-webserver`.

A page is one file without scripts, and is shown so that it could run none and reach nothing.
"""

import asyncio
from mimetypes import guess_type
from typing import Any

import dagster_webserver.app
import dagster_webserver.cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import Location, ObjectUrl
from gal_friday_adapters.paths import reports_place
from gal_friday_assets.pages import PREFIX
from gal_friday_assets.resources import Settings
from gal_friday_core.errors import StorageError

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


class SharedReports:
    """Files of a prefix of a bucket, none outside it."""

    def __init__(self, place: ObjectUrl) -> None:
        self._files = files_at(place)

    async def answer(self, request: Request) -> Response:
        """One file, whole. 404 where it is not there, 502 where the place does not answer."""
        response = await asyncio.to_thread(self._response, str(request.path_params["name"]))
        response.headers.update(HEADERS)
        return response

    def _response(self, name: str) -> Response:
        if any(part in {"", ".", ".."} for part in name.split("/")):
            return PlainTextResponse("Not Found", 404)
        try:
            content = self._files.read(name)
        except StorageError as error:
            return PlainTextResponse(str(error), 502)
        if content is None:
            return PlainTextResponse("Not Found", 404)
        return Response(content, media_type=guess_type(name)[0] or "application/octet-stream")


def reports(place: Location) -> BaseRoute:
    """Where reports are, a folder being made where there is none yet, as part of a web application."""
    if isinstance(place, ObjectUrl):
        return Route(f"{PREFIX}/{{name:path}}", SharedReports(place).answer)
    place.mkdir(parents=True, exist_ok=True)
    return Mount(PREFIX, Reports(directory=place))


class Webserver(DagsterWebserver):  # type: ignore[type-arg] # its contexts are Dagster's own
    """Its routes end with one that takes everything, so ours come first."""

    def build_routes(self) -> list[BaseRoute]:
        return [reports(reports_place(Settings().config)), *super().build_routes()]


def main() -> None:
    """Run Dagster's own command line, which has no place for routes and makes whatever class has this name."""
    dagster_webserver.app.DagsterWebserver = Webserver  # type: ignore[misc]
    dagster_webserver.cli.main()


if __name__ == "__main__":
    main()
