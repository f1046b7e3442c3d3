"""How the engine itself is: bus, event loop, database, connections, machine."""

from gal_friday_live.dashboard.figures import text
from gal_friday_live.dashboard.markup import Html, join
from gal_friday_live.dashboard.pages.page import Page
from gal_friday_live.dashboard.view import View
from gal_friday_live.dashboard.widgets import card, live, rows

BUS = (
    ("Events delivered", "bus.delivered"),
    ("Dropped", "bus.dropped"),
    ("Handlers that failed", "bus.failed"),
)


async def render(view: View) -> Html:
    """The engine and the machine it runs on."""
    metrics = view.reading.metrics
    return join(card("Event bus", rows((name, live(path, text(metrics, path))) for name, path in BUS)))


PAGE = Page(name="system", title="System", render=render)
