from __future__ import annotations

import numpy as np
import pytest

from models.mel import mel_points, to_hertz, to_mel, triangles


def test_a_thousand_hertz_are_a_thousand_mel() -> None:
    assert float(to_mel(1000.0)) == pytest.approx(1000.0, abs=0.1)
    hertz = np.array([0.0, 250.0, 3400.0, 8000.0])
    assert to_hertz(to_mel(hertz)) == pytest.approx(hertz)


def test_triangles_overlap_so_that_nothing_between_the_outer_centres_is_lost() -> None:
    points = mel_points(250.0, 3400.0, 20)
    inside = np.linspace(points[1], points[-2], 500)
    filters = triangles(inside, points)
    assert filters.shape == (20, 500)
    assert filters.sum(axis=0) == pytest.approx(np.ones(500))
    assert triangles(points[1:-1], points) == pytest.approx(np.eye(20))
    assert not triangles(np.array([points[0] - 1, points[-1] + 1]), points).any()
