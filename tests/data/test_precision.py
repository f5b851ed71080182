"""In which precision covariates are kept, and what of them reaches a network."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.tables import lay, walk
from tsforge.data import covariates
from tsforge.data.precision import of_covariates


@pytest.mark.parametrize("shift", [1e9, -3e8, 1e12])
def test_a_covariate_far_from_zero_keeps_its_effect(shift: float) -> None:
    """x + 1e9 has steps of 64 in single precision: a constant, whose effect is lost."""
    x = np.sin(np.arange(60.0))
    panel = lay(walk((60,)).assign(x=x + shift), target="y", past="x")
    encodings = covariates.fit(panel, panel.ends, use_calendar=False)
    seen = covariates.encode(panel, encodings).past[:, 0]
    np.testing.assert_allclose(seen, (x - x.mean()) / x.std(), atol=5e-4)


@pytest.mark.parametrize("values", [np.arange(60.0), 2000.0 + np.arange(60) % 3, np.full(60, 0.1), np.arange(60) / 7])
def test_other_covariates_stay_in_single_precision(values: np.ndarray) -> None:
    """Other last digits than before for tables that lose nothing."""
    constant = np.ptp(values) == 0
    assert constant or of_covariates([values]) == np.float32
