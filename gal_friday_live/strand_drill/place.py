"""Where a drill keeps its database and logs: a folder that the user names, else one that goes with it, also after a `kill -9`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gal_friday_core.errors import ConfigError
from gal_friday_live.strand_drill.caretaker import taken_care_of


@contextmanager
def place(keep: Path | None) -> Iterator[Path]:
    """Raises ConfigError for a folder that holds something: what was there before must not be taken for the drill's."""
    if keep is None:
        with (
            tempfile.TemporaryDirectory(prefix="gal-friday-drill-") as folder,
            taken_care_of(Path(folder), remove=True),
        ):
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise ConfigError(f"--keep {keep}: choose a folder that is empty or not there yet")
    keep.mkdir(parents=True, exist_ok=True)
    with taken_care_of(keep.absolute(), remove=False):
        yield keep.absolute()
