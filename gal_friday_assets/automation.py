"""Schedules and sensors with what their functions say of themselves: the UI shows a description and no docstring."""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg

Definition = Callable[..., Any]


def schedule(**settings: Any) -> Callable[[Definition], dg.ScheduleDefinition]:
    """`dg.schedule` in UTC, described by the function's docstring."""

    def decorate(function: Definition) -> dg.ScheduleDefinition:
        said = inspect.getdoc(function)
        return dg.schedule(execution_timezone="UTC", description=said, **settings)(function)

    return decorate


def sensor(**settings: Any) -> Callable[[Definition], dg.SensorDefinition]:
    """`dg.sensor`, described by the function's docstring."""

    def decorate(function: Definition) -> dg.SensorDefinition:
        return dg.sensor(description=inspect.getdoc(function), **settings)(function)

    return decorate
