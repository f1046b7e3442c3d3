"""One registered model, judged anew against what is in production now: `python -m gal_friday_assets.certify MODEL_ID`.

The pipeline certifies the candidate that it trained; this certifies any version, such as a shadow that was compared
with a model which has been replaced since. Standard output carries `{"result": {…}}`, or `{"error", "type"}` with exit
code 2.
"""

import json
import sys
from functools import partial
from typing import Any

from gal_friday_adapters import paths
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets import certification
from gal_friday_assets.resources import Registry, Settings
from gal_friday_assets.validation_pages import write_page
from gal_friday_core import artifact
from gal_friday_core.candles import Series
from gal_friday_core.errors import GalFridayError

REFUSED = 2


def certify(model_id: str, settings: Settings) -> dict[str, Any]:
    """Judge it on the candles and features of now, sign, store, and write its page again; what came of it.

    A model in production keeps the certificate that it has. Raises RegistryError for an unknown model, ArtifactError
    for damaged files or those without evidence, DataError where features are not those of the candles.
    """
    registry, root = Registry(settings), paths.lake_dir(settings.config)
    model = registry.call(lambda models: models.get_model(model_id, stage=None))
    known = artifact.from_json(artifact.METADATA, model.files[artifact.METADATA])
    series = Series.parse(str(known["series"]))
    judge = partial(
        certification.judge,
        model.files,
        series,
        lake=CandleLake(root),
        tables=TableLake(root),
        config=settings.config,
        model_type=model.model_type,
    )
    found = certification.certify(registry, model_id, model.model_type, judge)
    page = write_page(settings, series.key, model.files, found)
    return {
        "model_id": model_id,
        "certified": found.passed,
        "reasons": [] if found.passed else list(found.reasons),
        "incumbent": found.incumbent,
        "validation_page": str(page),
    }


def main(arguments: list[str]) -> int:
    """Certify and say so; the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m gal_friday_assets.certify MODEL_ID\n")
        return REFUSED
    try:
        said: dict[str, Any] = {"result": certify(arguments[0], Settings())}
    except GalFridayError as error:
        said = {"error": str(error), "type": type(error).__name__}
    sys.stdout.write(json.dumps(said) + "\n")
    return REFUSED if "error" in said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
