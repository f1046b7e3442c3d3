"""What systemd wants to hear of a service of Type=notify; nothing is said where nobody listens."""

import os
import socket
from collections.abc import Mapping

SOCKET = "NOTIFY_SOCKET"


def notify(state: str, environ: Mapping[str, str] | None = None) -> bool:
    """Send one state, such as READY=1 or WATCHDOG=1; whether somebody took it."""
    address = (os.environ if environ is None else environ).get(SOCKET, "")
    if not address.startswith(("/", "@")):
        return False
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(state.encode(), name)
        except OSError:
            return False
    return True
