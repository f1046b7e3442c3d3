"""The pipeline as a child process: the engine's side never imports Dagster, it reads the child's progress.

The child prints one JSON object a line on standard output: `{"step": …, "done": …, "of": …}` while it works
and `{"result": {…}}` at the end, or `{"error": …, "type": …}` when it refuses. Everything else that it says
goes to its log.
"""

import json
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from gal_friday_core import errors
from gal_friday_core.candles import Series
from gal_friday_live.processes import Child, Children

POLL_S = 0.2
PIPELINE = ("dagster", "xgboost", "sklearn")
"""Of its packages, some that the engine does without."""

Progress = Callable[[str, int, int], None]
"""Called with the step's name, what is done, and of how many."""


def require_pipeline() -> None:
    """Raises ConfigError where this installation has the engine's packages alone."""
    lacking = [name for name in PIPELINE if find_spec(name) is None]
    if lacking:
        raise errors.ConfigError(
            f"this takes the pipeline, and its packages are not installed here ({', '.join(lacking)}): "
            "pip install 'gal-friday[pipeline]'. gal-friday live trades models that were trained elsewhere"
        )


def run_pipeline(
    children: Children, series: Series, env: Mapping[str, str], progress: Progress, check: Callable[[], None]
) -> dict[str, Any]:
    """Materialise everything from candles to production model for one series; the result as the child gave it.

    `check` is called often, and raises where the user asked to stop.

    Raises the child's own GalFridayError, or StorageError with the log's last lines when it died without a word.
    """
    command = [sys.executable, "-m", "gal_friday_assets.pipeline", "--series", series.key]
    child = children.start("pipeline", command, env, capture=True)
    result: dict[str, Any] | None = None
    for message in _messages(child, check):
        if "error" in message:
            raise told_error(message)
        if "result" in message:
            result = message["result"]
        else:
            progress(str(message["step"]), int(message["done"]), int(message["of"]))
    child.process.wait()
    if result is None:
        raise errors.StorageError(
            f"the pipeline ended without a result (exit code {child.process.returncode}); "
            f"its log is {child.log}: {child.last_words()}"
        )
    return result


def _messages(child: Child, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """The child's JSON lines until it closes its standard output."""
    assert child.process.stdout is not None
    pipe = child.process.stdout.fileno()
    rest = b""
    while True:
        check()
        if not select.select([pipe], [], [], POLL_S)[0]:
            continue
        chunk = os.read(pipe, 65_536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.startswith(b"{"))


def told_error(message: Mapping[str, Any]) -> errors.GalFridayError:
    """The error that a child told as `{"error": …, "type": …}`."""
    kind = getattr(errors, str(message.get("type")), errors.DataError)
    text = str(message["error"])
    return kind(text) if issubclass(kind, errors.GalFridayError) else errors.DataError(text)
