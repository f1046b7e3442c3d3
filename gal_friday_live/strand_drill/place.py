"""Where a drill keeps its database and logs: a folder that the user names, else one that goes with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gal_friday_core.errors import ConfigError


@contextmanager
def place(keep: Path | None) -> Iterator[Path]:
    """Raises ConfigError for a folder that holds something: what was there before must not be taken for the drill's."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="gal-friday-drill-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise ConfigError(f"--keep {keep}: choose a folder that is empty or not there yet")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()
