"""Settings for a training that takes seconds, as a process is told them."""

SMALL = {
    "GAL_FRIDAY__BARRIERS__HORIZON_BARS": "12",
    "GAL_FRIDAY__TRAINING__TREES": "8",
    "GAL_FRIDAY__TRAINING__DEPTH": "2",
    "GAL_FRIDAY__TRAINING__FOLDS": "2",
    "GAL_FRIDAY__TRAINING__MIN_EVENTS": "200",
    "GAL_FRIDAY__TRAINING__EMBARGO_BARS": "12",
    "GAL_FRIDAY__TRAINING__THREADS": "1",
}
