"""Captured websocket messages from a file or a session, whatever form they were kept in."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import CLOSE, CONNECT, GAP, SERVER
from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.kraken.v1 import is_v1, to_v2
from gal_friday_core.kraken.verification import Verification

LARGEST_DOCUMENT = 1 << 26
_COMPRESSED = b"\x1f\x8b"


class _Document(msgspec.Struct):
    """A capture as one JSON document: what came first, then the updates."""

    init: msgspec.Raw
    updates: list[msgspec.Raw]


_DOCUMENT = msgspec.json.Decoder(_Document)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ONE = msgspec.json.Decoder(msgspec.Raw)


def verify(path: Path) -> Verification:
    """Replay a capture: JSON Lines of bare messages or of records (a folder of parts too), or one document.

    Raises DataError where there is no message in it, StorageError where it cannot be read.
    """
    found = Verification()
    document = _document(path)
    if document is None:
        _verify_session(Session(path), found)
    else:
        for message in document:
            found.take(message)
    if not found.messages:
        raise DataError(
            f"{path} holds no message: expected JSON Lines, each a websocket message or a record of one"
        )
    return found


def messages(path: Path) -> Iterator[bytes]:
    """The messages of a capture that the exchange sent, in v2 form; what cannot be read is left out."""
    document = _document(path)
    raws = (
        (record.message for record in Session(path) if record.kind == SERVER)
        if document is None
        else document
    )
    for raw in raws:
        yield from to_v2(raw) if is_v1(raw) else (raw,)


def _verify_session(session: Session, found: Verification) -> None:
    damaged = 0
    for record in session:
        for damage in session.damage[damaged:]:
            found.damaged(str(damage))
        damaged = len(session.damage)
        if record.kind == SERVER:
            found.take(record.message, record.connection)
        elif record.kind in (CONNECT, CLOSE):
            found.reconnected(record.connection)
        elif record.kind == GAP:
            found.lost(f"the recorder dropped {record.dropped:,} records")
    for damage in session.damage[damaged:]:
        found.damaged(str(damage))


def _document(path: Path) -> list[bytes] | None:
    """The messages of a file that is one JSON document; None for any other."""
    if path.is_dir():
        return None
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if len(text) > LARGEST_DOCUMENT or text.startswith(_COMPRESSED):
        return None
    try:
        whole = bytes(_ONE.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _unfolded(whole) if b"\n" in whole or b'"updates"' in whole else None


def _unfolded(document: bytes) -> list[bytes]:
    try:
        parts = _DOCUMENT.decode(document)
        first = _LIST.decode(parts.init) if bytes(parts.init).startswith(b"[") else [parts.init]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [document]
    return [bytes(message) for message in (*first, *parts.updates)]
