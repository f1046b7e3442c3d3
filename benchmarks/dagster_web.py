"""Dagster's web server as the UI talks to it: sensors and schedules switched on, runs read."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

from gal_friday_core.times import SECOND_NS

REPOSITORY = {"repositoryLocationName": "gal_friday", "repositoryName": "__repository__"}

_START_SENSOR = """
mutation ($one: SensorSelector!) {
  startSensor(sensorSelector: $one) { __typename ... on PythonError { message } }
}
"""

_START_SCHEDULE = """
mutation ($one: ScheduleSelector!) {
  startSchedule(scheduleSelector: $one) { __typename ... on PythonError { message } }
}
"""

_RUNS = """
query { runsOrError(limit: 50) { ... on Runs { results {
  id jobName status creationTime startTime endTime tags { key value }
} } } }
"""

ASKED_BY = ("dagster/sensor_name", "dagster/schedule_name")


class WebServer:
    """`address` as `start_dagster` gives it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def await_answer(self, seconds: float) -> None:
        """Until the code location is loaded. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                found = self.ask(
                    "query { repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
                )
                if found["repositoriesOrError"].get("nodes"):
                    return
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                pass
            time.sleep(0.5)
        raise TimeoutError(f"{self.address} did not answer within {seconds:.0f} s")

    def switch_on(self, sensors: Iterable[str], schedules: Iterable[str]) -> None:
        """As somebody does it under Automation. Raises RuntimeError with what Dagster says."""
        for statement, kind, names in (
            (_START_SENSOR, "sensor", sensors),
            (_START_SCHEDULE, "schedule", schedules),
        ):
            for name in names:
                (said,) = self.ask(statement, one={**REPOSITORY, f"{kind}Name": name}).values()
                if said["__typename"] not in {"Sensor", "ScheduleStateResult"}:
                    raise RuntimeError(f"{name}: {said}")

    def moments(self) -> list[tuple[int, str, str]]:
        """When runs were made, began and ended, and who asked for them."""
        found = []
        for run in self.ask(_RUNS)["runsOrError"]["results"]:
            tags = {tag["key"]: tag["value"] for tag in run["tags"]}
            asked = next((tags[name] for name in ASKED_BY if name in tags), "somebody")
            times = (
                ("is made", run["creationTime"], f", asked for by {asked}"),
                ("begins", run["startTime"], ""),
                ("ends", run["endTime"], f": {run['status'].lower()}"),
            )
            found += [
                (int(at * SECOND_NS), f"{run['jobName']} {what}", f"run {run['id'][:8]}{more}")
                for what, at, more in times
                if at is not None
            ]
        return sorted(found)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's data. Raises RuntimeError where the query is refused."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.address}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.loads(response.read())
        if "errors" in answer:
            raise RuntimeError(str(answer["errors"]))
        return answer["data"]
