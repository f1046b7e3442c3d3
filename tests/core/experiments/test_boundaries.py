"""Numbers of confseq's own tests (Howard et al. 2021): v 100, v_opt 100, alpha .05."""

import numpy as np
import pytest

from gal_friday_core.experiments.boundaries import (
    gamma_exponential,
    normal_mixture,
    one_sided_normal_mixture,
    stitched,
    tightest,
)


def test_boundaries_have_the_published_values():
    two_sided, one_sided = tightest(100, 0.05), tightest(100, 0.1)
    assert two_sided == pytest.approx(12.60056, abs=5e-6)
    assert normal_mixture(100, 0.05, two_sided) == pytest.approx(30.35209, abs=5e-6)
    assert one_sided_normal_mixture(100, 0.05, one_sided) == pytest.approx(27.66071, abs=5e-6)
    assert gamma_exponential(100, 0.05, one_sided, 2) == pytest.approx(33.02017, abs=5e-6)
    assert stitched(100, 0.05, 10, 3) == pytest.approx(64.48755, abs=5e-6)
    assert stitched(100, 0.05, 10, -1) == pytest.approx(28.99389, abs=5e-6)


def test_mixture_is_about_lowest_at_the_time_it_was_made_for():
    for v in (10.0, 100.0, 1_000.0):
        best = normal_mixture(v, 0.05, tightest(v, 0.05))
        assert all(normal_mixture(v, 0.05, rho) >= best * 0.999 for rho in np.geomspace(v / 100, v, 200))
