"""What stands before every request, whatever it asks for: host, session, origin, form, rate; and headers on every answer.

| Asked | Needs |
|---|---|
| anything | a host name of ours, a method of ours, not too often |
| all but the login page and static files | a session's cookie |
| what changes something (POST) | the page's own Origin, JSON, and the session's token in X-CSRF-Token |
| the live line (websocket) | the page's own Origin |
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gal_friday_live.dashboard.layout import bare
from gal_friday_live.dashboard.markup import tag
from gal_friday_live.dashboard.sessions import Rate, Session, Sessions

METHODS: Final = frozenset({"GET", "HEAD", "POST"})
OPEN: Final = ("/login", "/static/", "/metrics")
"""Paths that need no session; /metrics has a rule of its own."""
MOST_BODY: Final = 4_096
SAME: Final = "same-origin"
STYLES: Final = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-gG0b4ixT/IQUp7JJLbyKcpYcYDjq2Wp8NGv3f+aasqo='"
"""What the charting library adds by itself: an empty sheet, which it fills by the object model, and that of its maps."""
POLICY: Final = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {STYLES}; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
FORBIDDEN_ORIGIN: Final = 4403


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is served: the host headers that name it, and whether the line is encrypted."""

    hosts: frozenset[str]
    secure: bool
    cookie: str

    @classmethod
    def of(cls, port: int, names: Iterable[str], *, secure: bool) -> "Place":
        """Loopback by its three names, and `names`, at a port. Cookies know no ports, so the name tells."""
        every = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", *names)}
        if port == (443 if secure else 80):
            every |= set(names)
        prefix = "__Host-" if secure else ""
        return cls(frozenset(name.lower() for name in every), secure, f"{prefix}gal_friday_{port}")

    def is_own(self, origin: str) -> bool:
        """Whether a page of ours asks."""
        scheme, separator, host = origin.lower().partition("://")
        return bool(separator) and scheme == ("https" if self.secure else "http") and host in self.hosts


class Guard:
    """The application behind it is only reached by what passes; it finds its session in `scope["session"]`."""

    def __init__(
        self, app: ASGIApp, *, place: Place, sessions: Sessions, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._place = place
        self._sessions = sessions
        self._asked = Rate(burst=120, per_s=30.0, timer=timer)
        self._logins = Rate(burst=10, per_s=0.2, timer=timer)
        self._actions = Rate(burst=20, per_s=1.0, timer=timer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["session"] = session = self._session(headers)
        if scope["type"] == "websocket":
            await self._line(scope, receive, send, headers, session)
            return
        refusal = self._refusal(scope, headers, session)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))

    async def _line(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, session: Session | None
    ) -> None:
        own = headers.get("host", "").lower() in self._place.hosts and self._place.is_own(
            headers.get("origin", "")
        )
        if own and session is not None and not self._asked.take(session.name):
            await self._app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": FORBIDDEN_ORIGIN, "reason": "not from here"})

    def _session(self, headers: Headers) -> Session | None:
        identity = cookie_parser(headers.get("cookie", "")).get(self._place.cookie)
        return self._sessions.find(identity) if identity else None

    def _refusal(self, scope: Scope, headers: Headers, session: Session | None) -> Response | None:
        """The first thing that stands against a request."""
        path, method = str(scope["path"]), str(scope["method"])
        if headers.get("host", "").lower() not in self._place.hosts:
            return _told(
                421, "This host name is not one of the dashboard's", "Name it under dashboard.names."
            )
        if method not in METHODS:
            return _told(405, "Only GET and POST are known here", "")
        if wait := self._wait(scope, session, path, method):
            told = _told(429, "Too many requests", f"Try again in {wait:.0f} s.")
            told.headers["Retry-After"] = f"{wait:.0f}"
            return told
        if session is None and not path.startswith(OPEN):
            return _not_logged_in(method)
        return self._forged(headers, session) if method == "POST" else None

    def _wait(self, scope: Scope, session: Session | None, path: str, method: str) -> float:
        if path.startswith("/static/"):
            return 0.0
        if path == "/login":
            return self._logins.take("")
        who = session.name if session is not None else str((scope.get("client") or ("",))[0])
        wait = self._asked.take(who)
        # A halt is never kept waiting by other actions.
        return wait or (self._actions.take(who) if method == "POST" and path != "/actions/halt" else 0.0)

    def _forged(self, headers: Headers, session: Session | None) -> Response | None:
        """Why a request that changes something is not believed."""
        if session is None:
            return _not_logged_in("POST")
        length = headers.get("content-length", "")
        csrf = secrets.compare_digest(headers.get("x-csrf-token", "").encode(), session.csrf.encode())
        checks = (
            (
                self._place.is_own(headers.get("origin", "")),
                403,
                "this does not come from the dashboard's own page",
            ),
            (headers.get("sec-fetch-site", SAME) == SAME, 403, "this comes from another site"),
            (_kind(headers) == "application/json", 415, "say it as application/json"),
            (csrf, 403, "the page is older than its session: load it again"),
            (
                length.isdigit() and int(length) <= MOST_BODY,
                413,
                f"at most {MOST_BODY} bytes, and say how many",
            ),
        )
        return next(
            (JSONResponse({"error": why}, status) for holds, status, why in checks if not holds), None
        )


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending


def _not_logged_in(method: str) -> Response:
    if method == "POST":
        return JSONResponse({"error": "log in again: the session is over"}, 401)
    how = tag("p", "Open the link that it printed when it started. Each link works once; ", tag("code", "gal-friday dashboard --link"), " prints a new one.")  # fmt: skip
    return HTMLResponse(bare("Log in", how), 401)


def _told(status: int, title: str, more: str) -> Response:
    return HTMLResponse(bare(title, tag("p", more)), status)
