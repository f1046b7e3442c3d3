"""An audit as metadata, a page and a verdict: what differs by kind, what is unknown by that word."""

from collections import Counter
from pathlib import Path

import dagster as dg
import msgspec

from gal_friday_adapters.audit_page import render
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.account_reports import named
from gal_friday_assets.describe import Metadata
from gal_friday_assets.pages import link
from gal_friday_assets.resources import Settings
from gal_friday_core.account_audit import BalanceLine, told
from gal_friday_core.times import to_iso
from gal_friday_live.audit_run import Audited, audit_real

NO_ACCOUNT = "the journal knows of no real account"


async def audited(settings: Settings) -> Audited | None:
    """The real account that is configured; None where there is none."""
    async with Database(settings.database_url) as database:
        return await audit_real(settings.manager, database)


def write_page(settings: Settings, done: Audited) -> Path:
    """The page of the last audit of an account, and the same as JSON beside it."""
    page = settings.report_file("audits", done.session, "audit.html")
    page.with_suffix(".json").write_bytes(
        msgspec.json.format(msgspec.json.encode(told(done.found)), indent=1)
    )
    page.write_text(render(done.found, done.session, done.owner), encoding="utf-8")
    return page


def described(done: Audited | None, page: Path | None) -> Metadata:
    """Differences in all and by kind; each asset's balance, unknown where it was not told."""
    if done is None or page is None:
        return {"verdict": "NOTHING", "why": NO_ACCOUNT}
    found = done.found
    kinds = Counter(finding.code for finding in found.findings)
    return {
        "verdict": found.verdict,
        "account": named(done.owner),
        "discrepancies": len(found.findings),
        "unanswered": len(found.unknown),
        "since": to_iso(found.since_ns),
        "unknown": dict(found.unknown),
        **{code.lower(): count for code, count in sorted(kinds.items())},
        "balances": dg.MetadataValue.md(_balances(found.balances)),
        "findings": dg.MetadataValue.md(
            "\n".join(f"- **{one.code}** {one.text}" for one in found.findings) or "none"
        ),
        "page": link(page),
    }


def verdict(done: Audited | None) -> dg.AssetCheckResult:
    """Passed only where everything was asked, answered and equal."""
    if done is None:
        return dg.AssetCheckResult(passed=True, description=NO_ACCOUNT)
    found = done.found
    said = [f"{one.code}: {one.text}" for one in found.findings]
    said += [f"{question} is unknown: {why}" for question, why in found.unknown.items()]
    text = "; ".join(said) or "journal and exchange agree"
    return dg.AssetCheckResult(passed=found.verdict == "AGREES", description=text)


def _balances(lines: tuple[BalanceLine, ...]) -> str:
    rows = [
        f"| {line.asset} | {line.booked:f} | {'unknown' if line.there is None else f'{line.there:f}'} "
        f"| {line.explained:f} |"
        for line in lines
    ]
    return "\n".join(["| asset | booked | at the exchange | explained |", "|---|---|---|---|", *rows])
