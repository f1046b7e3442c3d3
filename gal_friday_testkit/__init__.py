"""Conformance checks for what is added from outside, and for our own of the same kinds: call one from a test.

`check_strategy`, `check_feature_set`, `check_risk_rule` and `check_exchange` each try everything that the contract in
docs/extending.md promises, and raise `BrokenPromiseError` (an AssertionError) at the first promise that does not hold, saying
which, and on what. They are deterministic: what failed once fails again.
"""

from gal_friday_testkit.exchanges import check_exchange
from gal_friday_testkit.feature_sets import check_feature_set
from gal_friday_testkit.promise import BrokenPromiseError
from gal_friday_testkit.risk_rules import check_risk_rule
from gal_friday_testkit.strategies import check_strategy

__all__ = ["BrokenPromiseError", "check_exchange", "check_feature_set", "check_risk_rule", "check_strategy"]
