"""The web application: pages, their data, the live line, actions, static files. `application` puts it behind its guard."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from gal_friday_core.errors import ConfigError, GalFridayError, StorageError
from gal_friday_live.dashboard.actions import Actions
from gal_friday_live.dashboard.assets import FOREVER, asset
from gal_friday_live.dashboard.broadcast import Broadcast
from gal_friday_live.dashboard.guard import Guard, Place
from gal_friday_live.dashboard.layout import bare
from gal_friday_live.dashboard.markup import tag
from gal_friday_live.dashboard.messages import message
from gal_friday_live.dashboard.pages import BY_NAME
from gal_friday_live.dashboard.service import DashboardService
from gal_friday_live.dashboard.sessions import Session, Sessions

TRY_LATER: Final = 1013
MOST_MESSAGE: Final = 1_024

log = logging.getLogger(__name__)

Exposition = Callable[[str], Awaitable[str]]
"""What `/metrics` answers to the value of an Authorization header. Raises ConfigError for the wrong one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of. `exposition` is None where nothing is told to Prometheus."""

    service: DashboardService
    sessions: Sessions
    broadcast: Broadcast
    actions: Actions
    place: Place
    exposition: Exposition | None = None


def application(parts: Parts) -> ASGIApp:
    """Every route behind the guard."""
    pages = [Route(page.path, partial(_page, parts, page.name)) for page in BY_NAME.values()]
    routes = [
        *pages,
        Route("/login", partial(_login, parts)),
        Route("/logout", partial(_logout, parts), methods=["POST"]),
        Route("/api/metrics", partial(_numbers, parts)),
        Route("/metrics", partial(_exposition, parts)),
        Route("/data/{page}/{name}", partial(_data, parts)),
        Route("/actions/{name}", partial(_action, parts), methods=["POST"]),
        Route("/static/{digest}/{name}", _static),
        WebSocketRoute("/live", partial(_live, parts)),
    ]
    inner = Starlette(routes=routes, exception_handlers={404: _missing})
    return Guard(inner, place=parts.place, sessions=parts.sessions)


async def _page(parts: Parts, name: str, request: Request) -> Response:
    session: Session = request.scope["session"]
    try:
        text = await parts.service.render(name, dict(request.query_params), session.csrf)
    except GalFridayError as error:
        log.warning("page %s: %s", name, error)
        told = tag("p", str(error)), tag("p", tag("a", "Try again", href=BY_NAME[name].path))
        return HTMLResponse(bare("This page cannot be shown now", *told), 503)
    return HTMLResponse(text)


async def _data(parts: Parts, request: Request) -> Response:
    page = BY_NAME.get(request.path_params["page"])
    data = page.data.get(request.path_params["name"]) if page is not None else None
    if data is None:
        return JSONResponse({"error": "no such data"}, 404)
    try:
        found = await data(parts.service.view(dict(request.query_params)))
    except (StorageError, ConfigError) as error:
        return JSONResponse({"error": str(error)}, 503)
    except GalFridayError as error:
        return JSONResponse({"error": str(error)}, 404)
    return Response(msgspec.json.encode(found), media_type="application/json")


async def _login(parts: Parts, request: Request) -> Response:
    if request.scope["session"] is not None:
        return RedirectResponse("/", 303)
    token = (
        request.query_params.get("token", "") if request.method == "GET" else ""
    )  # who only looks spends none
    identity = parts.sessions.login(token)
    if identity is None:
        how = tag("code", "gal-friday dashboard --link")
        return HTMLResponse(
            bare("Log in", tag("p", "This link was used, or is not the newest: ", how, " prints one.")), 401
        )
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        parts.place.cookie, identity, path="/", httponly=True, samesite="strict", secure=parts.place.secure
    )
    return answer


async def _logout(parts: Parts, request: Request) -> Response:
    parts.sessions.logout(request.cookies.get(parts.place.cookie, ""))
    answer = JSONResponse({"said": "Logged out."})
    answer.delete_cookie(
        parts.place.cookie, path="/", httponly=True, samesite="strict", secure=parts.place.secure
    )
    return answer


async def _numbers(parts: Parts, _: Request) -> Response:
    told = await parts.service.get_real_time_metrics()
    return Response(msgspec.json.encode(told), media_type="application/json")


async def _exposition(parts: Parts, request: Request) -> Response:
    if parts.exposition is None:
        return PlainTextResponse("nothing is told here\n", 404)
    try:
        text = await parts.exposition(request.headers.get("authorization", ""))
    except ConfigError as error:
        return PlainTextResponse(f"{error}\n", 403)
    except StorageError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def _action(parts: Parts, request: Request) -> Response:
    session: Session = request.scope["session"]
    try:
        details = msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        return JSONResponse({"error": f"not an object of JSON: {error}"}, 400)
    try:
        outcome = await parts.actions.perform(request.path_params["name"], details, session.name)
    except ConfigError as error:
        return JSONResponse({"error": str(error)}, 409)
    except GalFridayError as error:
        return JSONResponse({"error": str(error)}, 503)
    return JSONResponse(outcome)


async def _static(request: Request) -> Response:
    found = asset(request.path_params["name"])
    if found is None or found.digest != request.path_params["digest"]:
        return PlainTextResponse("not here\n", 404)
    headers = {"ETag": f'"{found.digest}"', "Cache-Control": FOREVER}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(None, 304, headers)
    packed = found.packed if "gzip" in request.headers.get("accept-encoding", "") else None
    if packed is not None:
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(packed or found.content, 200, headers, f"{found.kind}; charset=utf-8")


async def _live(parts: Parts, line: WebSocket) -> None:
    """Until the browser goes: the newest message, then each new one. What it says is not listened to."""
    if parts.broadcast.full:
        await line.close(TRY_LATER, "too many pages are open")
        return
    await line.accept()
    with parts.broadcast.joined() as queue:
        await line.send_text(message(parts.service.reading))
        sending = asyncio.create_task(_send(line, queue))
        try:
            await _until_gone(line)
        finally:
            sending.cancel()
            await asyncio.wait({sending})


async def _send(line: WebSocket, queue: "asyncio.Queue[str]") -> None:
    while True:
        await line.send_text(await queue.get())


async def _until_gone(line: WebSocket) -> None:
    try:
        while len(await line.receive_text()) <= MOST_MESSAGE:
            pass
        await line.close()
    except (WebSocketDisconnect, KeyError):
        return


async def _missing(_: Request, __: Exception) -> Response:
    return HTMLResponse(bare("There is no such page", tag("p", tag("a", "To the overview", href="/"))), 404)
