"""The first page: is it well, what is it worth, how far from its limits, how old is what it sees."""

from gal_friday_live.dashboard.figures import text
from gal_friday_live.dashboard.markup import Html, join
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import card, figures, live

SHOWN = (
    ("Equity", "account.equity"),
    ("Cash", "account.cash"),
    ("Exposure", "account.exposure"),
    ("Drawdown today", "account.daily_drawdown"),
    ("Drawdown in all", "account.total_drawdown"),
    ("Fees", "account.fees"),
)


async def render(view: View) -> Html:
    """The account, and what it is near to."""
    metrics = view.reading.metrics
    cells = [(name, live(path, text(metrics, path)), "") for name, path in SHOWN]
    return join(card("Account", figures(cells), wide=True))


PAGE = Page(name="main", title="Overview", render=render)
