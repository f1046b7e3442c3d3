"""Where a tree of files is, as a setting or an argument names it. Nothing is looked up here."""

import re
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from gal_friday_core.errors import ConfigError

SCHEMES: Final = ("s3", "file")
HINT: Final = "write a folder, file:///FOLDER or s3://BUCKET/PREFIX"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SCHEME = re.compile(r"(?![A-Za-z]:)([^/\\]*):/")
"""What a URL begins with, well written or not; C:/data is a folder."""


class Prefix(NamedTuple):
    """Names that begin with `prefix`, empty for all of them, in a bucket."""

    bucket: str
    prefix: str


def place(text: str) -> str | Prefix:
    """A folder as it was written, or a prefix of a bucket. Raises ConfigError for a URL that is none of ours.

    >>> place("s3://desk/prod/lake/")
    Prefix(bucket='desk', prefix='prod/lake')
    >>> place("file:///data/lake"), place("~/lake")
    ('/data/lake', '~/lake')
    """
    if (found := _SCHEME.match(text)) is None:
        return text
    scheme = found[1]
    if scheme not in SCHEMES or "://" not in text:
        raise ConfigError(f"{_shown(text)}: no place that is known{_nearest(scheme)}; {HINT}")
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise ConfigError(
            f"{_shown(text)}: keys do not belong into a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"{_shown(text)}: what follows ? or # means nothing here; {HINT}")
    if scheme == "file" and parts.netloc in ("", "localhost") and parts.path.strip("/"):
        return unquote(parts.path)
    if scheme == "file" or not _BUCKET.fullmatch(parts.netloc):
        raise ConfigError(f"{_shown(text)}: no place that is known; {HINT}")
    return Prefix(parts.netloc, _prefix(text, parts.path.strip("/")))


def _prefix(text: str, path: str) -> str:
    if path and any(part in ("", ".", "..") for part in path.split("/")):
        raise ConfigError(f"{_shown(text)}: a prefix is names between single slashes; {HINT}")
    return path


def _shown(text: str) -> str:
    """Without what may be secret: a login, and what follows the path.

    >>> _shown("s3://key:secret@desk/lake?token=secret")
    's3://desk/lake'
    """
    head, slashes, rest = re.split("[?#]", text, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{slashes}{host.rpartition('@')[2]}{slash}{path}"


def _nearest(scheme: str) -> str:
    """What somebody may have meant.

    >>> _nearest("s3a"), _nearest("gs")
    (', did you mean s3://?', '')
    """
    close = get_close_matches(scheme.lower(), SCHEMES, n=1, cutoff=0.6)
    return f", did you mean {close[0]}://?" if close else ""
