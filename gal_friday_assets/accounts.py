"""What becomes of accounts: each day stated, and the journal compared with the exchange by somebody who only looks."""

import asyncio

import dagster as dg

from gal_friday_assets import account_audits
from gal_friday_assets.account_reports import described, stated, write
from gal_friday_assets.partitions import ACCOUNT_POOL, days
from gal_friday_assets.resources import Settings


@dg.asset(
    group_name="operations", kinds={"postgres", "parquet"}, owners=["team:trading"], code_version="1", partitions_def=days,
    deps=["live_engine"],
    check_specs=[dg.AssetCheckSpec("adds_up", asset="daily_statement", description="Closing is opening plus movements, to the last digit.")],
)  # fmt: skip
def daily_statement(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster takes no argument beside checks
    """Every account's day: balances, trades, fees, profit and money that came or went, as Parquet and as a page."""
    found = asyncio.run(stated(settings, context.partition_key))
    pages = [write(settings, statement, owner) for statement, owner in found]
    problems = {statement.session: statement.problems for statement, _ in found if statement.problems}
    return dg.MaterializeResult(
        metadata=described(found, pages),
        check_results=[dg.AssetCheckResult(passed=not problems, metadata={"problems": problems})],
    )


@dg.asset(
    group_name="operations", kinds={"kraken", "postgres"}, owners=["team:trading"], code_version="1", pool=ACCOUNT_POOL,
    deps=["live_engine", "exchange"],
    check_specs=[dg.AssetCheckSpec("agrees", asset="reconciliation", description="Journal and exchange agree; what was not answered does not.")],
)  # fmt: skip
def reconciliation(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster takes no argument beside checks
    """The real account's journal against the exchange, asked with a key that only queries; nothing is ever changed."""
    done = asyncio.run(account_audits.audited(settings))
    page = None if done is None else account_audits.write_page(settings, done)
    return dg.MaterializeResult(
        metadata=account_audits.described(done, page), check_results=[account_audits.verdict(done)]
    )
