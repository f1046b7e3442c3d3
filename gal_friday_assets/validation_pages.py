"""A validation as a page for people, as files for programs, and as numbers that Dagster plots over time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from gal_friday_adapters.validation_page import render
from gal_friday_assets.describe import Metadata, numbers, report_metadata
from gal_friday_assets.pages import link
from gal_friday_assets.resources import Settings
from gal_friday_core import artifact
from gal_friday_core.certificate import Certificate
from gal_friday_core.evidence.report import Evidence
from gal_friday_core.gates import evidence_of, report_of
from gal_friday_core.resampling import Estimate

PAGE = "validation.html"
_OF_SHARPE = ("annual_ratio", "psr", "psr_2026", "dsr", "trials", "minimum_record_days")


def write_page(
    settings: Settings, series_key: str, files: Mapping[str, bytes], certificate: Certificate | None = None
) -> Path:
    """Write the page, and what it shows as JSON beside it; the page's path, the same with a certificate as without."""
    page = settings.report_file(series_key, artifact.verify(files)[:12], PAGE)
    page.with_name("validation.json").write_bytes(files[artifact.REPORT])
    page.with_name(artifact.EVIDENCE).write_bytes(files[artifact.EVIDENCE])
    if certificate is not None:
        page.with_name("certificate.json").write_bytes(certificate.to_bytes())
    page.write_text(render(files, certificate), encoding="utf-8")
    return page


def validation_metadata(files: Mapping[str, bytes], page: Path) -> Metadata:
    """Everything that was measured, as numbers."""
    return {
        "page": link(page),
        "validation_page": dg.MetadataValue.path(page),
        "report": dg.MetadataValue.path(page.with_name("validation.json")),
        **report_metadata(report_of(files)),
        **evidence_metadata(evidence_of(files)),
    }


def evidence_metadata(evidence: Evidence) -> Metadata:
    """What is beside the walk-forward scores; what is not known is left out."""
    sharpe, canary = evidence.sharpe, evidence.canary
    found: dict[str, Any] = {f"sharpe_{name}": getattr(sharpe, name) for name in _OF_SHARPE}
    found |= {
        "days_out_of_sample": sharpe.days,
        "probability_of_overfitting": evidence.choice.probability,
        "losing_paths": evidence.combinatorial.losing_paths,
        "leaks": canary.leaks,
        "missing_share": evidence.quality.missing_share,
    }
    for one in evidence.stress:
        name = one.name.replace(" ", "_")
        found |= _estimate(f"net_return_{name}", one.mean_net_return)
    return numbers(found)


def certificate_metadata(certificate: Certificate, page: Path) -> Metadata:
    """The verdict, each gate's number under `gate_…`, and all of it as a table."""
    failed = [gate.name for gate in certificate.gates if not gate.passed]
    return {
        "page": link(page),
        "validation_page": dg.MetadataValue.path(page),
        "certified": certificate.passed,
        "reasons": list(certificate.reasons),
        "gates": len(certificate.gates),
        "gates_passed": len(certificate.gates) - len(failed),
        "gates_failed": failed,
        "trials": certificate.trials,
        "incumbent": certificate.incumbent or "",
        "by_gate": dg.MetadataValue.md(gates_table(certificate)),
        **numbers({f"gate_{gate.name}": gate.value for gate in certificate.gates}),
    }


def gates_table(certificate: Certificate) -> str:
    """One line a gate, in Markdown."""
    rows = [
        f"| {gate.name} | {_known(gate.value)} | {gate.comparison.replace('_', ' ')} {_known(gate.limit)} "
        f"| {'passed' if gate.passed else '**failed**'} | {gate.about} |"
        for gate in certificate.gates
    ]
    return "\n".join(["| gate | value | demanded | verdict | in words |", "|---|---|---|---|---|", *rows])


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _estimate(name: str, found: Estimate) -> dict[str, float | None]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
