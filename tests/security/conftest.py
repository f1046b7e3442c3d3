"""Tests of this room may be coroutines, as those of the live room are."""

from tests.live.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
