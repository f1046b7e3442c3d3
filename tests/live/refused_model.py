from gal_friday_core import artifact
from tests.core.model_files import model_files

REASONS = ["no better than the base rate", "12 trades"]


def refused_files(**changes):
    """A sealed model whose report did not pass the gates, for `REASONS`."""
    report = {"verdict": {"passed": False, "reasons": REASONS}}
    return artifact.seal({**model_files(**changes), artifact.REPORT: artifact.to_json(report)})
