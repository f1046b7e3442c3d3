"""The frame around every page: navigation, the engine's state, HALT and resume. It holds no script and no style."""

from collections.abc import Sequence

from gal_friday_live.dashboard.assets import address
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.messages import halted_roles, shape
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.state import headline
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import badge

RESUME_WORD = "RESUME"
"""What somebody types who lets an engine trade again."""


def document(page: Page, pages: Sequence[Page], body: Html, view: View) -> str:
    """The whole page as it goes over the wire."""
    return "<!doctype html>" + tag(
        "html",
        _head(f"{page.title} · Gal-Friday", view),
        tag(
            "body",
            tag("a", "Skip to content", href="#content", class_="skip"),
            _header(page, pages, view),
            tag("main", tag("h1", page.title), body, id="content"),
            _resume_dialog(view),
            tag("div", id="said", role="status", aria_live="polite", class_="said"),
        ),
        lang="en",
    )


def bare(title: str, *children: object) -> str:
    """A page for somebody who is not logged in, or who asked for what is not there."""
    return "<!doctype html>" + tag(
        "html",
        _head(f"{title} · Gal-Friday", None),
        tag("body", tag("main", tag("h1", title), *children, id="content"), class_="bare"),
        lang="en",
    )


def _head(title: str, view: View | None) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="csrf", content=view.csrf) if view is not None else None,
        tag("meta", name="shape", content=shape(view.reading)) if view is not None else None,
        tag("meta", name="plotly", content=address("plotly.js")) if view is not None else None,
        tag("title", title),
        tag("link", rel="icon", href=address("icon.svg"), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=address("style.css")),
        tag("script", src=address("theme.js")),
        tag("script", src=address("app.js"), defer=True) if view is not None else None,
    )


def _header(page: Page, pages: Sequence[Page], view: View) -> Html:
    links = [
        tag("a", each.title, href=each.path, aria_current="page" if each is page else None) for each in pages
    ]
    said = headline(view.reading)
    state = tag(
        "div",
        badge(said.word, said.tone, live_path="headline.word"),
        tag("span", said.detail, data_live="headline.detail", class_="detail"),
        class_="state", id="state",
    )  # fmt: skip
    buttons = join(
        tag("button", "◐", type="button", id="theme", class_="quiet", aria_label="Switch light and dark",
            title="Light or dark"),
        tag("button", "Resume…", type="button", id="resume", hidden=not said.halted),
        tag("button", "HALT", type="button", id="halt", class_="danger",
            title="Stop all entries at once; positions keep their stops"),
    )  # fmt: skip
    return tag(
        "header",
        tag("a", "Gal-Friday", href="/", class_="brand"),
        tag("nav", links, aria_label="Pages"),
        state,
        tag("div", buttons, class_="buttons"),
    )


def _resume_dialog(view: View) -> Html:
    """Two things must be typed: a click alone must not let an engine trade again. Roles are resumed one by one."""
    roles = halted_roles(view.reading)
    which = tag(
        "select", [tag("option", title, value=name) for name, title in roles], name="engine", id="resume-role"
    )
    form = tag(
        "form",
        tag("h2", "Let the engine trade again", id="resume-title"),
        tag("p", "It checks itself first: reconciliation, lease, lines, clock. What stands against it is said here."),
        tag("label", "Which of its roles?", which, hidden=not roles, id="resume-which"),
        tag("label", "Why may it go on?", tag("input", name="reason", required=True, maxlength="200", autocomplete="off")),
        tag("label", f"Type {RESUME_WORD}", tag("input", name="word", required=True, autocomplete="off", pattern=RESUME_WORD)),
        tag("p", role="alert", class_="problem", id="resume-problem"),
        tag(
            "div",
            tag("button", "Cancel", type="button", value="cancel", class_="quiet", id="resume-cancel"),
            tag("button", "Resume trading", type="submit"),
            class_="buttons",
        ),
        id="resume-form", method="dialog",
    )  # fmt: skip
    return tag("dialog", form, id="resume-dialog", aria_labelledby="resume-title")
