"""Pages of a split engine by itself: a role in its own data directory, its history from all sessions of the account."""

from decimal import Decimal

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.account import Flow
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.portfolio_records import flow_record
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.dashboard.accounts import accounts, chosen
from gal_friday_live.dashboard.one_account import one_account
from gal_friday_live.dashboard.pages import main, model, risk, system, trading
from gal_friday_live.dashboard.view import Reading, View
from gal_friday_live.ids import derived
from tests.live.dashboard_world import NOW_NS, looking, manager_of
from tests.live.test_one_account import said

ACCOUNT = derived("session", "pages", "test")
HOUR_NS = 3_600 * 10**9


def alone(role, session=ACCOUNT):
    return one_account({role: said(role, session=session)})


async def page_of(page, reading, manager):
    view = View(manager=manager, database=None, reading=reading, now_ns=NOW_NS)
    return await page.render(view)


async def test_the_overview_of_an_alpha_says_what_others_would_tell(tmp_path):
    page = await page_of(main, alone("alpha"), manager_of(tmp_path))
    assert "Orders and protection are told by the trader, and the trader is not connected" in page
    assert (
        page.count("Limits and verdicts are told by the decision maker") == 2
    )  # above, and in place of the limits
    assert "No model trades" not in page
    assert "10,000.00" in page  # its books are a mirror of the account's


async def test_the_overview_of_a_trader_claims_nothing_of_models(tmp_path):
    page = await page_of(main, alone("trader"), manager_of(tmp_path))
    assert "Models and predictions are told by alphas, and the alpha is not connected" in page
    assert "No model trades" not in page


async def test_the_model_page_of_a_trader_does_not_know_which_of_them_trades(traded_account):
    manager, _, url = traded_account
    async with looking(manager, url, alone("trader")) as view:
        page = await model.render(view)
    assert "Which of these trades is not known here" in page


async def test_the_system_page_shows_the_role_that_is_asked_for_and_one_that_is_gone_as_gone(tmp_path):
    manager = manager_of(tmp_path)
    gone = Reading("gone", 5, {}, None, "no engine is running")
    both = one_account({"trader": said("trader"), "alpha": gone})
    view = View(manager=manager, database=None, reading=both, now_ns=NOW_NS, query={"engine": "alpha"})
    page = await system.render(view)
    assert "alpha: nobody answers. no engine is running" in page
    assert "Waiting in its inbox" not in page
    assert 'data-live="roles.trader.strands.waiting"' in page
    view = View(manager=manager, database=None, reading=both, now_ns=NOW_NS, query={"engine": "nobody"})
    assert "Waiting in its inbox" in await system.render(view)


async def journalled(database, session, mode, run, lines):
    journal = PostgresJournal(database, session, SimulatedClock(NOW_NS))
    await journal.begin(mode, config_hash="0", code_version="test")
    await journal.append("RUN", f"run-{session}", NOW_NS, run)
    for number, (kind, record) in enumerate(lines):
        await journal.append(kind, f"{kind}-{number}", NOW_NS + number * HOUR_NS, record)
    await journal.close()


def opened():
    """What a trader's journal has of ten thousand that the account held at first."""
    books = Portfolio("USD", Decimal(0), NOW_NS)
    flow = Flow(flow_id="opening:USD", kind="TRANSFER", asset="USD", amount=Decimal(10_000), timestamp=NOW_NS)
    return {**flow_record(books, flow, books.credit(flow)), "opening": {"USD": "10000"}}


def state(word, reason):
    return "SYSTEM_STATE", {"state": word, "reason": reason, "halt_action": None, "who": "ada"}


async def test_verdicts_and_halts_of_every_role_stand_on_the_risk_page(tmp_path, database_url):
    manager = manager_of(tmp_path)
    opening = ("CASH_FLOW", opened())
    refused = (
        "SIGNAL",
        {"verdict": "MAX_TOTAL_EXPOSURE", "details": {"limit": "1", "value": "2"}, "pair": "BTC/USD"},
    )
    of = {"account_session": ACCOUNT, "series": ["kraken:BTC-USD:1m"]}
    async with Database(database_url) as database:
        await journalled(
            database, ACCOUNT, "paper", {**of, "role": "trader"}, [opening, state("HALTED", "lunch")]
        )
        decision, alpha = derived("session", ACCOUNT, "dm", "dm"), derived("session", ACCOUNT, "alpha", "eth")
        await journalled(database, decision, "paper-dm", {**of, "name": "dm"}, [refused])
        await journalled(
            database, alpha, "paper-alpha", {**of, "name": "eth"},
            [state("HALTED", "drift"), state("RUNNING", "trained anew")],
        )  # fmt: skip
        other = {"account_session": derived("session", "another"), "name": "dm"}
        await journalled(database, derived("session", "x"), "paper-dm", other, [state("HALTED", "not ours")])
    async with looking(manager, database_url, alone("trader")) as view:
        account = chosen(view, await accounts(view, view.database))
        assert account.roles == {alpha: "alpha eth", decision: "decision maker"}
        assert account.running
        page = await risk.render(view)
        assert "the limits that this configuration names" in page
        told = await trading.render(view)
    for word in ("MAX_TOTAL_EXPOSURE", "trader: HALTED since", "<td>alpha eth</td>", "trained anew"):
        assert word in page, word
    assert "not ours" not in page
    assert "told by the trader" not in told
    async with looking(manager, database_url, alone("alpha")) as view:
        told = await trading.render(view)
    assert "the trader is not connected" in told
    assert "Positions and orders are those of its journal" in told
