"""Asks a time server how far this machine's clock is off: one question of SNTP (RFC 4330, section 5)."""

import socket
import struct
import time
from collections.abc import Callable
from typing import Final

from gal_friday_core.errors import ExchangeError

SERVER: Final = "pool.ntp.org"
PORT: Final = 123
_REQUEST: Final = b"\x23" + bytes(47)  # version 4, client
_FORM: Final = struct.Struct("!BBbb11I")
_SINCE_1900: Final = 2_208_988_800
_SERVER_MODE: Final = 4
_UNSYNCHRONISED: Final = 3


def network_offset_s(
    server: str = SERVER, port: int = PORT, *, timeout_s: float = 3.0, now_s: Callable[[], float] = time.time
) -> float:
    """Seconds by which this clock is ahead of the server's; negative where it is behind.

    Half the way there and back is taken for each way, so it is wrong by at most half the round trip. Raises
    ExchangeError where nobody answers in time, or the answer is no time.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.settimeout(timeout_s)
            asked.connect((server, port))
            sent_s = now_s()
            asked.send(_REQUEST)
            answer = asked.recv(512)
            heard_s = now_s()
    except OSError as error:
        raise ExchangeError(f"the time server {server} does not answer: {error}") from None
    received_s, told_s = _times(server, answer)
    return ((sent_s - received_s) + (heard_s - told_s)) / 2


def _times(server: str, answer: bytes) -> tuple[float, float]:
    """When the server got the question, and when it answered, as Unix seconds."""
    if len(answer) < _FORM.size:
        raise ExchangeError(f"the time server {server} answered {len(answer)} bytes: that is no time")
    first, stratum, *_rest = fields = _FORM.unpack(answer[: _FORM.size])
    if first & 0b111 != _SERVER_MODE or first >> 6 == _UNSYNCHRONISED or not stratum:
        raise ExchangeError(f"the time server {server} does not know the time itself")
    return _unix(fields[11], fields[12]), _unix(fields[13], fields[14])


def _unix(seconds: int, fraction: int) -> float:
    return seconds - _SINCE_1900 + fraction / 2**32
