"""Ids in Kraken's forms (KRAKEN_PROTOCOL §3.3), each a function of the seed, its kind and its number."""

import hashlib
import re
from base64 import b32encode
from typing import Literal

Kind = Literal["O", "T", "L"]
"""Order; trade or amendment; ledger entry."""

_CLIENT_ID = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x21-\x7e]{1,18}"
)


class Identifiers:
    """Issues ids; the same seed issues the same ids in the same order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued: dict[str, int] = {}

    def issue(self, kind: Kind) -> str:
        """The next id of a kind: `OXXXXX-XXXXX-XXXXXX`.

        >>> Identifiers(7).issue("O")
        'OEIJKE-T4F4V-BYR6NW'
        """
        number = self._issued[kind] = self._issued.get(kind, 0) + 1
        digest = hashlib.blake2b(f"{self._seed}/{kind}/{number}".encode(), digest_size=10).digest()
        text = (kind + b32encode(digest).decode())[:17]
        return f"{text[:6]}-{text[6:11]}-{text[11:]}"


def is_client_order_id(text: str) -> bool:
    """A UUID with dashes, 32 hexadecimal digits, or up to 18 printable ASCII characters.

    >>> is_client_order_id("6d1b345e-2821-40e2-ad83-4ecb18a06876"), is_client_order_id("a" * 19)
    (True, False)
    """
    return _CLIENT_ID.fullmatch(text) is not None
