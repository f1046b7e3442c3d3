"""Which of Dagster's launchers executes runs, as the part of dagster.yaml that says so, and what that needs.

Nothing here imports Dagster or Celery: the home is prepared at once.
"""

from importlib.util import find_spec
from typing import Any

from gal_friday_core.dagster_settings import DagsterConfig
from gal_friday_core.errors import ConfigError

BROKER_VARIABLE = "GAL_FRIDAY_DAGSTER_BROKER_URL"
"""Where launcher and workers find the broker: its address may hold a password, and stands in no file."""

HEALTH_LOOK_S = 15
"""How often the daemon asks whether each run still has its worker."""
ANSWER_S = 10.0
"""A broker that takes longer to connect or to answer counts as out of reach."""
DEQUEUE_S = 1
"""How often the daemon hands over what waits; every 5 seconds, as by default, places would stand idle between runs."""
BROKER_TRIES, BROKER_AGAIN_S = 240, 30
"""While the broker is out of reach, how often and how soon a run is handed to it again: for two hours."""
KEPT_S = 3 * 24 * 3600
"""What became of a task, kept in the broker: longer than any run takes."""

CELERY: dict[str, Any] = {
    # A run goes to whoever has a free place; by default each worker would take one more, to begin it hours later.
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": False,
    # Acknowledged when it begins: what a killed worker had is not begun again behind Dagster's back.
    "task_acks_late": False,
    "task_track_started": True,
    "result_expires": KEPT_S,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "socket_connect_timeout": ANSWER_S,
        "visibility_timeout": KEPT_S,
        "max_retries": 3,
        "interval_start": 0,
        "interval_step": 0.5,
        "interval_max": 2,
    },
    "redis_socket_connect_timeout": ANSWER_S,
    "redis_socket_timeout": ANSWER_S,
    "redis_retry_on_timeout": True,
}
"""Settings of Celery on both sides: whoever sends a run, and whoever executes it."""


def launching(settings: DagsterConfig) -> dict[str, Any]:
    """The keys of dagster.yaml that choose the launcher; none where the daemon's machine executes runs.

    Raises ConfigError where the launcher is not installed.
    """
    if settings.launcher == "local":
        return {}
    if find_spec("dagster_celery") is None:
        raise ConfigError("dagster.launcher celery needs dagster-celery: install gal-friday[distributed]")
    broker = {"env": BROKER_VARIABLE}
    return {
        # What runs print, Celery has in the worker's log. Dagster would capture nothing of it, by four processes a run.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
            "config": {},
        },
        "run_queue": {
            "dequeue_interval_seconds": DEQUEUE_S,
            "max_user_code_failure_retries": BROKER_TRIES,
            "user_code_failure_retry_delay": BROKER_AGAIN_S,
        },
        "run_launcher": {
            "module": "gal_friday_assets.celery_launcher",
            "class": "WatchedCeleryLauncher",
            "config": {
                "broker": broker,
                "backend": broker,
                "config_source": CELERY,
                "silence_s": settings.worker_silence_s,
            },
        },
    }


def monitoring(settings: DagsterConfig) -> dict[str, Any]:
    """What the daemon's watch over runs needs beside its limits: with workers, that nobody began a run is told later."""
    if settings.launcher == "local":
        return {}
    return {"start_timeout_seconds": settings.start_within_s, "poll_interval_seconds": HEALTH_LOOK_S}


def launching_environment(settings: DagsterConfig) -> dict[str, str]:
    """What launcher and workers find in their environment."""
    if settings.launcher == "local" or settings.broker_url is None:
        return {}
    return {BROKER_VARIABLE: settings.broker_url.get_secret_value()}
