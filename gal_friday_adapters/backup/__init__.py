"""Everything that cannot be made again, in one file, and back: `write` and `restore`."""

from gal_friday_adapters.backup.archive import Contents, Source, contents, write
from gal_friday_adapters.backup.restoring import Target, restore

__all__ = ["Contents", "Source", "Target", "contents", "restore", "write"]
