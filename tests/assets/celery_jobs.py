"""A code location of two small jobs, for what happens to runs rather than in them."""

import os
from pathlib import Path

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_assets.instance import configured
from gal_friday_core import artifact

SEALED = artifact.seal(dict.fromkeys((*artifact.REQUIRED, artifact.LINEAR_MODEL), b"{}"))
"""As little as an artifact may be."""


@dg.op(config_schema={"gate": str})
def waits(context: dg.OpExecutionContext) -> None:
    """Say which process it is, and go on when somebody opens the gate, a named pipe."""
    gate = Path(context.op_config["gate"])
    gate.with_suffix(".pid").write_text(str(os.getpid()))
    gate.read_bytes()


@dg.job(executor_def=dg.in_process_executor)
def gated() -> None:
    waits()


@dg.op
def says(context: dg.OpExecutionContext) -> None:
    context.log.info("said")
    print("printed by a run")


@dg.job(executor_def=dg.in_process_executor)
def telling() -> None:
    says()


@dg.op
def stores() -> None:
    ArtifactStore(artifacts_dir(configured())).put(SEALED)


@dg.job(executor_def=dg.in_process_executor)
def storing() -> None:
    stores()


defs = dg.Definitions(jobs=[gated, telling, storing])
