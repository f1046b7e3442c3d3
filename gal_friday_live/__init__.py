"""The live engine: services around one bus, and the command line. Importing it never imports Dagster."""
