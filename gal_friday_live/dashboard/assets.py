"""Style, scripts and the charting library, each served under an address that names its content.

The charting library is `plotly.min.js` as the wheel of plotly ships it. An installation without that wheel (the engine
alone) has no charts, and its pages say so; nothing is fetched from elsewhere.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

STATIC = Path(__file__).with_name("static")
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """`digest` names the content: it is the ETag, and part of the address. `packed` is the same, compressed."""

    name: str
    kind: str
    content: bytes
    digest: str
    packed: bytes


@cache
def asset(name: str) -> Asset | None:
    """By name; None for what there is not."""
    path = _plotly() if name == "plotly.js" else _own(name)
    if path is None:
        return None
    content = path.read_bytes()
    return Asset(
        name,
        KINDS[path.suffix],
        content,
        hashlib.sha256(content).hexdigest()[:20],
        gzip.compress(content, 6, mtime=0),
    )


def address(name: str) -> str:
    """Where a browser finds it; empty where it is not installed."""
    found = asset(name)
    return "" if found is None else f"/static/{found.digest}/{name}"


def prepare() -> None:
    """Read and compress everything now: the first page need not wait for it."""
    for name in ("style.css", "theme.js", "app.js", "icon.svg", "plotly.js"):
        asset(name)


def _own(name: str) -> Path | None:
    return next((path for path in STATIC.iterdir() if path.name == name and path.suffix in KINDS), None)


def _plotly() -> Path | None:
    """Found without importing the package, which would take half a second."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        return None
    script = Path(spec.origin).with_name("package_data") / "plotly.min.js"
    return script if script.is_file() else None
