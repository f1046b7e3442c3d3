"""Sentences with commands in them."""

from gal_friday_live.dashboard.markup import Html, join, tag


def prose(text: str) -> Html:
    """What stands between backticks is a command, and shown as one.

    >>> prose("`gal-friday up` begins")
    '<code>gal-friday up</code> begins'
    """
    return join([tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))])
