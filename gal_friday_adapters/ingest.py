"""Candles into the lake. Files: read, check, assess, and only then store; all of a file or nothing of it.

Downloads from an exchange are in `history.exchange`, and offered here too.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gal_friday_adapters.history.exchange import ingest_exchange
from gal_friday_adapters.history.naming import Overrides
from gal_friday_adapters.history.raw import NOTHING_STORED, BadRow, checked
from gal_friday_adapters.history.report import FileReport, IngestReport
from gal_friday_adapters.history.sources import LeftOut, Source, sources
from gal_friday_adapters.history.storing import Progress, silent, store
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import data_dir
from gal_friday_core.candle_quality import QualityReport, assess
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.spans import Span
from gal_friday_core.times import DAY_NS

__all__ = ["FileReport", "IngestReport", "Overrides", "Progress", "ingest_exchange", "ingest_paths"]

MIN_OVERLAP = 20
MAX_CONTRADICTION = 0.05
"""A file whose closes differ from the stored ones by more than this in the median of at least `MIN_OVERLAP`
common bars is of another market. Venues differ from each other by about 0.004."""


def ingest_paths(
    paths: Iterable[str | Path],
    lake: CandleLake,
    *,
    overrides: Overrides | None = None,
    skip_bad_rows: bool = False,
    keep_going: bool = False,
    quarantine_dir: Path | None = None,
    progress: Progress = silent,
) -> IngestReport:
    """Ingest files, folders and ZIP archives of candles.

    Each file is stored whole or not at all. A bad one raises DataError at once; with `keep_going` the
    others are ingested first, and `IngestReport.check()` raises. Notes on quarantined files go to
    `quarantine_dir`, by default `quarantine` beside the lake, or in the data directory of this machine.
    """
    report = IngestReport()
    notes = quarantine_dir or _quarantine_dir(lake)
    for item in sources([Path(path) for path in paths], overrides or Overrides()):
        if isinstance(item, LeftOut):
            entry = FileReport(item.name, None, "refused" if item.refused else "left out", item.reason)
        else:
            entry = _ingest(item, lake, skip_bad_rows, notes, progress)
        report.files.append(entry)
        if not keep_going:
            report.check()
    return report


def _quarantine_dir(lake: CandleLake) -> Path:
    beside = lake.root.parent if isinstance(lake.root, Path) else data_dir()
    return beside / "quarantine"


def _ingest(
    source: Source, lake: CandleLake, skip_bad_rows: bool, notes: Path, progress: Progress
) -> FileReport:
    progress(source.name, 0, 0)
    try:
        candles, bad = checked(source.read(), skip_bad_rows=skip_bad_rows)
    except DataError as error:
        return FileReport(source.name, source.series, "refused", str(error))
    quality = assess(candles)
    reasons = [*quality.quarantine_reasons, *_contradictions(candles, lake)]
    if reasons:
        return _quarantine(source, candles, quality, reasons, notes)
    entry = FileReport(
        source.name, source.series, "stored", rows=len(candles), refused_rows=bad, quality=quality
    )
    store(candles, lake, entry, progress)
    lake.cover(source.series, _stretches(candles, bad))
    return entry


def _contradictions(candles: Candles, lake: CandleLake) -> list[str]:
    """Why these cannot be the series that is stored under the same name."""
    if not lake.months(candles.series):
        return []
    stored = lake.read(candles.series, int(candles.ts[0]), int(candles.ts[-1]) + 1)
    _, old, new = np.intersect1d(stored.ts, candles.ts, assume_unique=True, return_indices=True)
    if len(old) < MIN_OVERLAP:
        return []
    apart = float(np.expm1(np.median(np.abs(np.log(candles.close[new] / stored.close[old])))))
    if apart <= MAX_CONTRADICTION:
        return []
    key = candles.series.key
    return [f"closes differ by {apart:.0%} from those stored for {key} (median of {len(old):,} common bars)"]


def _quarantine(
    source: Source, candles: Candles, quality: QualityReport, reasons: list[str], notes: Path
) -> FileReport:
    """Leave a note, named by series and content so that a repeated attempt rewrites the same one."""
    mark = hashlib.sha256(f"{source.name}\n{candles.fingerprint()}".encode()).hexdigest()[:12]
    path = notes / f"{source.series.key.replace(':', '_')}-{mark}.json"
    record = {
        "file": source.name,
        "series": source.series.key,
        "reasons": reasons,
        "quality": quality.to_dict() | {"quarantine_reasons": reasons},
        "fingerprint": candles.fingerprint(),
    }
    try:
        notes.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; check the data directory") from error
    reason = (
        f"{source.name}: quarantined: {'; '.join(reasons)}; {NOTHING_STORED}. The measurements are in {path}"
    )
    return FileReport(source.name, source.series, "quarantined", reason, quality=quality)


def _stretches(candles: Candles, bad: list[BadRow]) -> list[Span]:
    """What a file covers: its span, broken where a day or more is missing. Nothing when rows were left out."""
    if bad:
        return []
    interval = candles.series.interval_ns
    holes = np.flatnonzero(np.diff(candles.ts) > max(DAY_NS, interval))
    starts = candles.ts[np.append(0, holes + 1)]
    ends = candles.ts[np.append(holes, len(candles) - 1)] + interval
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
