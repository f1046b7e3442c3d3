"""How the pipeline's Dagster runs: where its runs are executed, and what it remembers of them."""

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gal_friday_core.section import Section

BROKERS = ("redis://", "rediss://")


class DagsterConfig(Section):
    """Runs are child processes of the daemon, or go to workers on any number of machines."""

    port: int = Field(
        3000, ge=0, le=65_535, description="Loopback port of the web server; 0 takes a free one"
    )
    launcher: Literal["local", "celery"] = Field(
        "local",
        description="Where runs are executed: by the daemon's machine, or by Celery workers on any machines",
    )
    broker_url: SecretStr | None = Field(
        None, description="redis://… or rediss://…: what carries runs to Celery workers"
    )
    runs_at_once: int = Field(
        2, ge=1, le=1_000, description="Runs under way at once; those beyond wait in the queue"
    )
    start_within_s: int = Field(
        600, ge=10, le=86_400, description="A run that no worker began within this many seconds has failed"
    )
    worker_silence_s: float = Field(
        60.0,
        ge=1,
        le=3_600,
        description="A Celery worker that does not answer for so long is gone, and its runs have failed",
    )
    keep_lines_days: int = Field(
        14, ge=1, description="Days for which the lines of a finished run are kept: what each step did when"
    )
    keep_flights_days: int = Field(
        90,
        ge=1,
        description="Days for which flight records are kept; later only those that the gate replay_parity compares",
    )
    keep_runs_days: int = Field(
        90, ge=1, description="Days for which every run is kept; later only those that plots and assets need"
    )

    @field_validator("broker_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(BROKERS):
            raise ValueError("must begin with redis:// or rediss://")
        return url

    @model_validator(mode="after")
    def _has_what_carries_runs(self) -> Self:
        if self.launcher == "celery" and self.broker_url is None:
            raise ValueError(
                "dagster.launcher celery needs dagster.broker_url, such as redis://127.0.0.1:6379/0"
            )
        return self
