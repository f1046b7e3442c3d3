"""How many configurations a model was chosen from, as its sealed artifact says."""

from collections.abc import Mapping

from gal_friday_core import artifact
from gal_friday_core.gates import evidence_of
from gal_friday_core.tearsheet.deflation import Tried


def tried_of(files: Mapping[str, bytes]) -> Tried | None:
    """None where the artifact tells no evidence. Raises ArtifactError for evidence that cannot be read."""
    if artifact.EVIDENCE not in files:
        return None
    found = evidence_of(files).sharpe
    return Tried(found.trials, found.variance_of_trials, "trials of the model's search")
