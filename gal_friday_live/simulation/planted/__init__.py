"""The test of the tests: bugs that others have shipped, and our own, each of which the simulation must see."""

from gal_friday_live.simulation.planted import booking, limiting, protecting, sending, trusting
from gal_friday_live.simulation.planted.bug import Caught, PlantedBug, hunt, hunt_all

BUGS: tuple[PlantedBug, ...] = (
    *sending.BUGS, *booking.BUGS, *protecting.BUGS, *limiting.BUGS, *trusting.BUGS,
)  # fmt: skip
"""All of them, by what they get wrong."""

__all__ = ["BUGS", "Caught", "PlantedBug", "hunt", "hunt_all"]
