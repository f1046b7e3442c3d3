"""What machines that work for one another must have alike, as each can tell it of itself."""

import sys
from collections.abc import Iterator, Mapping

from gal_friday_adapters import paths
from gal_friday_core.compiled import sources
from gal_friday_core.config import Config
from gal_friday_live.code_version import code_version

TELLS = "gal_friday_tells"
"""The question that a worker of the pipeline answers with what it runs and how many runs it takes."""
CODE = "code"
PLACES = "places"
BUSY = "busy"


def alike(config: Config) -> dict[str, str]:
    """The code, the Python, and where everything is that all share; no secret is in it."""
    return {
        CODE: f"{code_version(config)} {sources()[:12]}",
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "lake": str(paths.lake_dir(config)),
        "artifacts": str(paths.artifacts_dir(config)),
        "reports": str(paths.reports_place(config)),
    }


def differences(own: Mapping[str, str], told: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What another says otherwise, and how.

    >>> list(differences({"lake": "s3://a"}, {"lake": "/b", "places": 2}))
    [('lake', 'lake is /b, here s3://a')]
    """
    for name, here in own.items():
        if (there := told.get(name)) != here:
            yield name, f"{name} is {'not told' if there is None else there}, here {here}"
