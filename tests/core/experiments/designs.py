"""Designs for tests."""

from gal_friday_core.experiments.design import design_of

PLAIN = {
    "name": "night",
    "series": "kraken:BTC-USD:1m",
    "variants": [
        {"name": "champion", "model_id": "kraken:BTC-USD:1m@v1"},
        {"name": "challenger", "model_id": "kraken:BTC-USD:1m@v2"},
    ],
    "block": 10,
    "most_units": 2_000,
}


def designed(**changes):
    return design_of({**PLAIN, **changes})
