"""A code location of two small jobs, for what happens to runs rather than in them."""

import os
from pathlib import Path

import dagster as dg


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


@dg.job(executor_def=dg.in_process_executor)
def telling() -> None:
    says()


defs = dg.Definitions(jobs=[gated, telling])
