"""Secrets out of log lines: registered values in every form they travel in, and whatever stands under a secret's name.

`Redactor.text` is for lines, `Redactor.plain` for contexts: it copies them into plain JSON values on the way,
so that what is logged cannot change afterwards, nor grow without bound. Entry point: `Redactor`.
"""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
MIN_LENGTH = 6
"""A shorter registered value hides nothing: it would blank out ordinary words."""
MAX_TEXT, MAX_ITEMS, MAX_DEPTH = 16_384, 200, 6
"""Bounds of one logged value: characters of a text, items of a collection, levels of nesting."""

_NAMES = r"pass(?:word|wd|phrase)|secret|token|api[-_.]?(?:key|sign)|private[-_.]?key|authorization|credential|cookie"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
# `password=x`, `"api_key": "x"`, `Authorization: Bearer x`; the repetitions are bounded, so the time is linear.
_NAMED = re.compile(
    rf"((?:{_NAMES})[\w-]{{0,40}}[\"']?\s{{0,4}}[=:]\s{{0,4}})"
    r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|(?:Bearer|Basic|Token)\s{1,4}\S+|[^\s,;&)}\]\"']+)",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(://[^\s/@:]{0,256}:)[^\s/]{1,1024}@")
_BEHIND_NAME, _BEFORE_HOST = rf"\1{MASK}", rf"\1{MASK}@"
_BIGGEST_INT = 2**63


@lru_cache(4096)  # the same few names come with every line
def is_secret_name(name: str) -> bool:
    """Whether what stands under this key must not be shown.

    >>> [is_secret_name(name) for name in ("KRAKEN_API_KEY", "dbPassword", "API-Sign", "pair", "key")]
    [True, True, True, False, False]
    """
    return _SECRET_NAME.search(name) is not None


class Redactor:
    """Hides registered secrets and what stands under secret names.

    >>> redactor = Redactor(["hunter2-hunter2"])
    >>> redactor.text("login hunter2-hunter2 at postgresql://ada:pw@db/x?token=abc")
    'login *** at postgresql://ada:***@db/x?token=***'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._values: re.Pattern[str] | None = None
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Hide these values from now on; those shorter than `MIN_LENGTH` are passed over."""
        for secret in secrets:
            self._forms.update(forms(secret))
        # The longest first: a form may begin with another.
        listed = sorted(self._forms, key=lambda form: (-len(form), form))
        self._values = re.compile("|".join(map(re.escape, listed))) if listed else None

    def text(self, text: str) -> str:
        """The text without secrets, encodable, cut to `MAX_TEXT` characters."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        if ":" in text or "=" in text:  # without these nothing has a name, and most lines end here
            text = _NAMED.sub(_BEHIND_NAME, _URL_PASSWORD.sub(_BEFORE_HOST, text))
        if len(text) > MAX_TEXT:
            text = f"{text[: MAX_TEXT // 4]} … {text[-MAX_TEXT * 3 // 4 :]}"
        return text if text.isascii() else text.encode("utf-8", "replace").decode()

    def plain(self, value: Any, depth: int = 0) -> Any:
        """A copy made of str, int, float, bool, None, list and dict, without secrets and within bounds.

        A number that is not finite, and what has no JSON form, becomes text.
        """
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._copy(value, depth) if depth < MAX_DEPTH else "…"
        return self.text(value if isinstance(value, str) else shown(value))

    def _copy(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return dict(islice(self._items(value, depth + 1), MAX_ITEMS))
        return [self.plain(item, depth + 1) for item in islice(value, MAX_ITEMS)]

    def _number(self, value: float) -> Any:
        if isinstance(value, int):
            small = -_BIGGEST_INT <= value < _BIGGEST_INT
            return int(value) if small else self.text(hex(value))
        return float(value) if math.isfinite(value) else str(float(value))

    def _items(self, mapping: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, Any]]:
        for key, value in mapping.items():
            name = key if isinstance(key, str) else shown(key)
            hidden = is_secret_name(name) and value is not None and not isinstance(value, bool)
            yield self.text(name), MASK if hidden else self.plain(value, depth)


def shown(value: object) -> str:
    """What an object says of itself; bytes as text; its type alone where it cannot say anything."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    try:
        return str(value)
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError):
        return f"<{type(value).__name__}>"


def forms(secret: str) -> set[str]:
    """Every text in which a secret may appear: plain, percent-encoded, JSON and Python escapes, hex, base64.

    >>> {"hunter2 & co", "hunter2%20%26%20co", "hunter2+%26+co", "aHVudGVyMiAmIGNv"} <= forms("hunter2 & co")
    True
    """
    if len(secret) < MIN_LENGTH:
        return set()
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {quote(raw, safe=""), quote(raw), quote_plus(raw), quote_plus(raw, safe="/")}
    found = {secret, secret.strip(), raw.hex(), raw.hex().upper(), *encoded}
    found |= {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in encoded}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    found |= set(_base64_forms(raw))
    found |= {form.replace("/", "\\/") for form in found}
    return {form for form in found if len(form) >= MIN_LENGTH}


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The characters that belong to the secret alone, at each of the three places it may begin in a longer text."""
    for offset in range(3):
        code = base64.b64encode(bytes(offset) + raw).decode().rstrip("=")
        first = -(-offset * 8 // 6)
        core = code[first : (offset + len(raw)) * 8 // 6]
        yield core
        yield core.replace("+", "-").replace("/", "_")
