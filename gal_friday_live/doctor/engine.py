"""Measures the engine that runs on this data directory, if one does, and the ports that `up` asks for."""

import asyncio
import errno
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gal_friday_core.config import Config
from gal_friday_core.doctor.check import Check, broken, doubtful, fine, joined
from gal_friday_core.errors import StorageError
from gal_friday_live.code_version import code_version
from gal_friday_live.control_socket import ask, control_path, is_served
from gal_friday_live.dashboard.link import read_link

HOST = "127.0.0.1"
ANSWERS_WITHIN_S = 5.0
Status = Mapping[str, Any]


def engine(config: Config, folder: Path) -> Sequence[Check]:
    """What it says of itself."""
    path = control_path(folder)
    if not is_served(path):
        return [fine("engine", "none is running on this data directory")]
    try:
        found: Status = asyncio.run(ask(path, "status", timeout_s=ANSWERS_WITHIN_S))
    except StorageError as error:
        fix = "See its logs; gal-friday stop ends it in order, and its stops stay on the exchange."
        return [broken("engine", f"it hangs: {error}", fix)]
    return [judged(found, code_version(config))]


async def runs_live(folder: Path) -> bool:
    """Whether an engine is there that trades with the configured key."""
    path = control_path(folder)
    if not await asyncio.to_thread(is_served, path):
        return False
    try:
        found = await ask(path, "status", timeout_s=ANSWERS_WITHIN_S)
    except StorageError:
        return True  # it hangs, and may have it
    return bool(found["mode"] == "live")


def judged(status: Status, version: str) -> Check:
    """A halt first, then what keeps entries back, then whether it runs this code."""
    who = f"{status['mode']} engine"
    if status["halted"]:
        fix = "See to the reason, then gal-friday resume --reason …"
        return doubtful("engine", f"the {who} is halted: {status['halt_reason']}", fix)
    if blocks := status["blocks"]:
        why = "; ".join(f"{block['code']} {block['pair']}: {block['why']}" for block in blocks)
        return doubtful("engine", f"the {who} enters nothing now: {why}", "See gal-friday status.")
    if status["code_version"] != version:
        fix = "gal-friday stop, then start it again."
        return doubtful("engine", f"the {who} runs code {status['code_version']}, here is {version}", fix)
    return fine("engine", f"the {who} trades {', '.join(status['pairs']) or 'nothing yet'}")


def ports(config: Config) -> Sequence[Check]:
    """Whether the ports of Dagster and of the dashboard are free, or theirs already."""
    dagster, dashboard = config.dagster.port, config.dashboard.port
    found = [
        *_taken("Dagster", "dagster.port", dagster, lambda: dagster_answers(dagster)),
        *_taken("the dashboard", "dashboard.port", dashboard, lambda: _is_ours(config, dashboard)),
    ]
    return [joined("ports", found, f"{dagster} and {dashboard} are free, or taken by whom they are for")]


def _taken(whose: str, key: str, port: int, is_theirs: Callable[[], bool]) -> Iterator[Check]:
    if port and not is_free(port) and not is_theirs():
        fix = f"End what listens on {port}, or set {key}; 0 takes a free one."
        yield doubtful("", f"something else listens on {port}, where {whose} would", fix)


def _is_ours(config: Config, port: int) -> bool:
    """Whether the dashboard of this data directory listens there."""
    try:
        return read_link(config).url.endswith(f":{port}")
    except StorageError:
        return False


def is_free(port: int) -> bool:
    """Whether nobody listens there on this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def dagster_answers(port: int) -> bool:
    """Whether a Dagster web server answers there."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=2.0) as told:
            return b"dagster" in told.read(4_096)
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError):
        return False
