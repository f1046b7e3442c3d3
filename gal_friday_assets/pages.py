"""Pages for people as links: an asset names the file it wrote, Dagster's web server (`web`) shows it."""

from pathlib import Path

import dagster as dg

PREFIX = "/reports"
"""Where the web server has the folder of reports."""

DEPTH = 3
"""Of a page in that folder: series, artifact, name."""


def link(page: Path) -> dg.UrlMetadataValue:
    """To a page that `Settings.report_file` named, on the server whose page shows the link.

    >>> link(Path("/data/reports/kraken_BTC-USD_1m/0123456789ab/validation.html")).url
    '/reports/kraken_BTC-USD_1m/0123456789ab/validation.html'
    """
    return dg.MetadataValue.url("/".join((PREFIX, *page.parts[-DEPTH:])))
