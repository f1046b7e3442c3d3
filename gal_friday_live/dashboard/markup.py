"""HTML that cannot be injected into: `tag` escapes every child and every attribute that is not `Html` already."""

from collections.abc import Iterable
from html import escape
from typing import Any

VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})
SHAPES = frozenset({"circle", "line", "path", "polyline", "rect"})
"""Of a drawing: they close themselves, where a browser would else take the next one for their child."""


class Html(str):
    """Text that is HTML already: only `tag`, `join` and whoever checked it makes one."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element. Children may be nested in iterables; None and False are left out, True is a bare attribute.

    >>> tag("p", "a < b", class_="soft", data_live="account.equity", hidden=False)
    '<p class="soft" data-live="account.equity">a &lt; b</p>'
    >>> tag("input", type="text", required=True)
    '<input type="text" required>'
    >>> tag("svg", tag("rect", width=8), tag("rect", width=3))
    '<svg><rect width="8"/><rect width="3"/></svg>'
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{given}>")
    if name in SHAPES:
        return Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Any) -> Html:
    """Children one after the other, escaped where they are not HTML.

    >>> join("1 < 2 ", [tag("b", "yes"), None, 3])
    '1 &lt; 2 <b>yes</b>3'
    """
    return Html("".join(_pieces(children)))


def _pieces(children: Iterable[Any]) -> Iterable[str]:
    for child in children:
        if child is None or child is False:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, (list, tuple)) or (isinstance(child, Iterable) and not isinstance(child, str)):
            yield from _pieces(child)
        else:
            yield escape(str(child))


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
