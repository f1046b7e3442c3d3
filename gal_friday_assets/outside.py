"""What the pipeline meets but does not make: named, so that the lineage begins and goes on where things really do."""

import dagster as dg

exchange = dg.AssetSpec(
    "exchange",
    group_name="outside",
    kinds={"api"},
    owners=["team:trading"],
    description="The exchange: its markets' bars come in here, the live engine's orders go out to it.",
)

history_files = dg.AssetSpec(
    "history_files",
    group_name="outside",
    kinds={"csv", "parquet"},
    owners=["team:market-data"],
    description="Archives of an exchange that `gal-friday ingest` brings into the lake, once or whenever there are new ones.",
)

live_engine = dg.AssetSpec(
    "live_engine",
    group_name="trading",
    kinds={"python"},
    owners=["team:trading"],
    deps=["production_model"],
    description=(
        "The engine that trades, on paper or for real (`gal-friday live`, `gal-friday up`). It takes a newly promoted "
        "model within a second, between two bars, and writes what it hears, decides and does into its journal: "
        "everything downstream is read from there."
    ),
)
