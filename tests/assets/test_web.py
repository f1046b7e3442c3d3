"""Reports on Dagster's web server."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster_webserver.app
import dagster_webserver.cli
import pytest
from dagster import DagsterInstance, __version__
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from starlette.applications import Starlette

from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.paths import reports_place
from gal_friday_assets import web
from gal_friday_assets.pages import link
from gal_friday_assets.resources import Settings
from tests.bucket_server import KEYS, BucketServer, forbidden

PAGE = ("kraken:BTC-USD:1m", "0123456789ab", "validation.html")
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def page(data_home: Path) -> Path:
    path = Settings().report_file(*PAGE)
    path.write_text("<html>fine</html>", encoding="utf-8")
    return path


def asked(application: Callable[..., Any], path: str) -> Answer:
    """What the application answers to GET."""
    said: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "", "headers": [],
        "query_string": b"", "scheme": "http", "server": ("127.0.0.1", 80), "http_version": "1.1",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        """Nobody says anything more: the request has no body."""
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    asyncio.run(application(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return said[0]["status"], headers, b"".join(message.get("body", b"") for message in said[1:])


@pytest.fixture
def served(page: Path, data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Answer]]:
    """Dagster's web server as its command line makes it for us."""
    monkeypatch.setattr(dagster_webserver.cli, "main", lambda: None)
    monkeypatch.setattr(dagster_webserver.app, "DagsterWebserver", None)
    web.main()
    with (
        DagsterInstance.local_temp(str(data_home)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as process,
    ):
        application = dagster_webserver.app.create_app_from_workspace_process_context(process)
        yield partial(asked, application)


def test_a_link_leads_to_its_page_and_dagster_s_own_are_where_they_were(
    served: Callable[[str], Answer], page: Path
):
    status, headers, body = served(str(link(page).url))
    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", page.read_bytes())
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    status, _, body = served("/server_info")
    assert (status, __version__ in body.decode()) == (200, True)


def test_reports_for_all_machines_are_shown_from_their_bucket(
    page: Path, bucket: ObjectUrl, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GAL_FRIDAY__STORAGE__REPORTS", str(bucket))
    monkeypatch.setenv("GAL_FRIDAY__OBJECT_STORE__ENDPOINT_URL", bucket_server.endpoint)
    page.with_name("validation.json").write_text("{}")
    page.with_name("another.html").write_text("of its own")
    shown = str(link(page).url)
    config = Settings().config
    application = Starlette(routes=[web.reports(reports_place(config))])
    status, headers, body = asked(application, shown)
    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", page.read_bytes())
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert asked(application, shown.replace(".html", ".json"))[::2] == (200, b"{}")
    for nothing in (
        shown.replace("validation", "another"),
        "/reports/../keys/signing.key",
        "/reports/",
        "/reports/a//b",
    ):
        assert asked(application, nothing)[0] == 404
    bucket_server.faults += [("GET", forbidden)]
    status, _, body = asked(application, shown)
    assert (status, b"refuses the credentials" in body, KEYS["AWS_ACCESS_KEY_ID"].encode() in body) == (
        502,
        True,
        False,
    )


@pytest.mark.parametrize(
    "path", ["/reports/../keys/signing.key", "/reports/%2e%2e/keys/signing.key", "/reports/"]
)
def test_nothing_outside_the_reports_is_served(
    served: Callable[[str], Answer], page: Path, data_home: Path, path: str
):
    key = data_home / "keys" / "signing.key"
    key.parent.mkdir(exist_ok=True)
    key.write_text("secret")
    status, _, body = served(path)
    assert status == 404
    assert b"secret" not in body
