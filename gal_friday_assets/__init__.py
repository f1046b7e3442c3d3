"""Assets: the code location that Dagster loads. Imports nothing here, so that `instance` and `pipeline` start at once."""
