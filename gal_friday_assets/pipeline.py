"""The whole pipeline for one series, as `up` runs it: `python -m gal_friday_assets.pipeline --series kraken:BTC-USD:1m`.

Two runs on the configured instance, visible in the Dagster UI: `refresh` over all months of the series,
then `retrain`. Standard output carries one JSON object a line: progress as `{"step", "done", "of"}`, at the
end `{"result": {…}}`, or `{"error", "type"}` with exit code 2. Everything else goes to standard error.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from gal_friday_adapters.paths import dagster_home
from gal_friday_assets.instance import prepare_home
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, GalFridayError
from gal_friday_live.configuration import ConfigurationManager

REFUSED = 2
INTERRUPTED = 130


class Reporter:
    """Progress and outcome as JSON lines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def progress(self, step: str, done: int, of: int) -> None:
        self.say({"step": step, "done": done, "of": of})

    def say(self, message: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(message, default=str, allow_nan=False) + "\n")
        self._out.flush()


def run(series: Series, reporter: Reporter) -> dict[str, Any]:
    """Materialise everything for the series; what the assets said of themselves, as one flat result.

    Raises whatever GalFridayError an asset raised, and DataError when a blocking check stopped the run.
    """
    manager = ConfigurationManager(os.environ.get("GAL_FRIDAY_CONFIG") or None)
    manager.load_config()
    if (url := manager.config.storage.database_url) is None:
        raise ConfigError("storage.database_url is unset: start through `gal-friday up`, or set it")
    home = dagster_home(manager.config)
    os.environ.update(prepare_home(home, url.get_secret_value(), manager.config.dagster))
    reporter.progress("starting", 0, 1)
    from gal_friday_assets.runs import Runs

    with Runs(series, reporter.progress) as runs:
        reporter.progress("starting", 1, 1)
        return runs.refresh() | runs.retrain()


def main(arguments: list[str]) -> int:
    """Parse, run, report; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gal_friday_assets.pipeline", description=__doc__)
    parser.add_argument("--series", required=True, help="such as kraken:BTC-USD:1m")
    # A copy: while steps run, Dagster sends file descriptor 1 to their logs.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        reporter = Reporter(out)
        try:
            series = Series.parse(parser.parse_args(arguments).series)
            reporter.say({"result": run(series, reporter)})
        except GalFridayError as error:
            reporter.say({"error": str(error), "type": type(error).__name__})
            return REFUSED
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
