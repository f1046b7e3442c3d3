"""Chromium as the dashboard's reader: what it complains of, and what axe finds."""

import shutil
from contextlib import asynccontextmanager

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright, expect

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESK = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
DARK = {**DESK, "color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"}
BLANK = 9_000
"""Bytes of a screenshot with nothing on it, and some more."""

expect.set_options(
    timeout=60_000
)  # before something that never comes fails the test, on however busy a machine

needs_chromium = [pytest.mark.browser, pytest.mark.skipif(FOUND is None, reason="no Chromium here")]


class Reader:
    """One browser with a session at a dashboard; `complaints` are what its pages had to say to the console."""

    def __init__(self, browser, url, state):
        self._browser = browser
        self._url = url
        self._state = state
        self.complaints = []

    @asynccontextmanager
    async def page(self, path="/", **look):
        context = await self._browser.new_context(storage_state=self._state, **{**DESK, **look})
        page = await context.new_page()
        page.set_default_timeout(120_000)
        page.on(
            "console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        try:
            await page.goto(self._url + path)
            yield page
        finally:
            await context.close()


@asynccontextmanager
async def reading(room):
    """A browser that came in by the room's link."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=FOUND, args=list(QUIET))
        try:
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(room.link)
            state = await context.storage_state()
            await context.close()
            yield Reader(browser, room.url, state)
        finally:
            await browser.close()


async def violations(page):
    """What axe-core holds against a page, shortly."""
    told = (await Axe().run(page)).response["violations"]
    return [(one["id"], [node["html"][:100] for node in one["nodes"]][:3]) for one in told]


async def overflow(page):
    """By how many pixels a page is wider than its window."""
    return await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
