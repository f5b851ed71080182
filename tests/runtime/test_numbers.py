"""Numbers as people read them."""

from __future__ import annotations

import pytest

from tsforge.runtime.numbers import amount, figure


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5e6, "5000000"), (1.5e9, "1500000000"), (-123456789.0, "-123456789"), (0.1, "0.1"), (2e-5, "0.00002"),
        (1234.5678, "1234.5678"), (1 / 3, "0.333333333333"), (0.0, "0"), (1e19, "10000000000000000000"), (100.0, "100"),
        (1e21, "1e+21"), (-1e-15, "-1e-15"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_amounts_are_written_as_the_data_are(value: float, text: str) -> None:
    """Prevents: 5e+06 where the table has 5000000."""
    assert amount(value) == text
    if text not in ("nan",):
        assert float(amount(value)) == pytest.approx(value, rel=1e-11)


@pytest.mark.parametrize(("value", "text"), [(5e6, "5000000"), (12345.6, "12346"), (0.25, "0.25"), (float("inf"), "-")])
def test_figures(value: float, text: str) -> None:
    """Prevents: a large score with an exponent."""
    assert figure(value) == text
