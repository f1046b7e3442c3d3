from collections.abc import Iterator

import pytest

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from tests.adapters.simulated_kraken.running import exchange, running


@pytest.fixture
def kraken() -> Iterator[SimulatedKraken]:
    """A simulated Kraken with a market that stands still, without faults."""
    with running(exchange()) as server:
        yield server
