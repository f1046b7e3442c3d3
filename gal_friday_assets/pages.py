"""Pages for people as links: an asset names the file it wrote, Dagster's web server (`web`) shows it.

Where `storage.reports` names a place for all machines, a page that is linked goes there too.
"""

from pathlib import Path

import dagster as dg

from gal_friday_adapters.files import Files, files_at
from gal_friday_adapters.paths import reports_dir, reports_place
from gal_friday_assets.resources import Settings

PREFIX = "/reports"
"""Where the web server has the folder of reports."""

DEPTH = 3
"""Of a page in that folder: series, artifact, name."""
_PAGE = ".html"


def link(page: Path) -> dg.UrlMetadataValue:
    """To a page that `Settings.report_file` named, on the server whose page shows the link.

    Raises StorageError where the place for all machines refuses it.

    >>> link(Path("/data/reports/kraken_BTC-USD_1m/0123456789ab/validation.html")).url
    '/reports/kraken_BTC-USD_1m/0123456789ab/validation.html'
    """
    _share(page)
    return dg.MetadataValue.url("/".join((PREFIX, *page.parts[-DEPTH:])))


def _share(page: Path) -> None:
    """The page, and what stands beside it that is no page of its own."""
    config = Settings().config
    place, own = reports_place(config), reports_dir(config)
    if place == own:
        return
    files, folder = files_at(place), "/".join(page.parts[-DEPTH:-1])
    for path in (*(path for path in sorted(page.parent.iterdir()) if path.suffix != _PAGE), page):
        _put(files, f"{folder}/{path.name}", path.read_bytes())


def _put(files: Files, name: str, content: bytes) -> None:
    files.change(name, lambda _: content)
