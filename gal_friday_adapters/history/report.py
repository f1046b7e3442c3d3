"""What an ingest did, file by file: for people on the screen, and as one JSON object."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gal_friday_adapters.history.raw import BadRow
from gal_friday_core.candle_quality import QualityReport
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import to_iso

Status = Literal["stored", "refused", "quarantined", "left out"]
SHOWN_ROWS = 20


@dataclass(slots=True)
class FileReport:
    """One file, archive member or download. `reason` says why where nothing of it was stored."""

    name: str
    series: Series | None
    status: Status
    reason: str | None = None
    rows: int = 0
    added: int = 0
    unchanged: int = 0
    replaced: int = 0
    months: list[str] = field(default_factory=list)
    refused_rows: list[BadRow] = field(default_factory=list)
    quality: QualityReport | None = None
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "series": self.series.key if self.series else None,
            "status": self.status,
            "reason": self.reason,
            "rows": self.rows,
            "added": self.added,
            "unchanged": self.unchanged,
            "replaced": self.replaced,
            "months": self.months,
            "refused": len(self.refused_rows),
            "refused_rows": [asdict(row) for row in self.refused_rows[:SHOWN_ROWS]],
            "quality": self.quality.to_dict() if self.quality else None,
            "notes": self.notes,
        }


@dataclass(slots=True)
class IngestReport:
    """Every file of one ingest. `rows` counts the good rows of stored files, whether new to the lake or not."""

    files: list[FileReport] = field(default_factory=list)

    def _sum(self, name: str) -> int:
        return sum(int(getattr(file, name)) for file in self.files if file.status == "stored")

    @property
    def rows(self) -> int:
        return self._sum("rows")

    @property
    def added(self) -> int:
        return self._sum("added")

    @property
    def unchanged(self) -> int:
        return self._sum("unchanged")

    @property
    def replaced(self) -> int:
        return self._sum("replaced")

    @property
    def refused(self) -> int:
        """Single rows left out of stored files."""
        return sum(len(file.refused_rows) for file in self.files)

    @property
    def failures(self) -> list[FileReport]:
        """Files of which nothing was stored although the user wanted them."""
        return [file for file in self.files if file.status in ("refused", "quarantined")]

    @property
    def quarantined(self) -> list[FileReport]:
        return [file for file in self.files if file.status == "quarantined"]

    @property
    def series(self) -> list[Series]:
        """The series that were stored into, sorted."""
        return sorted({file.series for file in self.files if file.series and file.status == "stored"})

    @property
    def span(self) -> tuple[int, int] | None:
        """Open times of the first and last stored bar, ns."""
        reports = [file.quality for file in self.files if file.status == "stored" and file.quality]
        firsts = [report.first_ns for report in reports if report.first_ns is not None]
        lasts = [report.last_ns for report in reports if report.last_ns is not None]
        return (min(firsts), max(lasts)) if firsts and lasts else None

    def check(self) -> None:
        """Raise DataError, in one line, when any file was refused or quarantined."""
        if not self.failures:
            return
        first = self.failures[0].reason or self.failures[0].name
        if len(self.failures) == 1:
            raise DataError(first)
        raise DataError(f"{len(self.failures)} of {len(self.files)} files were refused; the first: {first}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": self.rows,
            "added": self.added,
            "unchanged": self.unchanged,
            "replaced": self.replaced,
            "refused": self.refused,
            "quarantined": len(self.quarantined),
            "series": [series.key for series in self.series],
            "span": [to_iso(ns) for ns in self.span] if self.span else None,
            "files": [file.to_dict() for file in self.files],
        }
