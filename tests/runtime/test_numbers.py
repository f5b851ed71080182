"""Numbers as people read them."""

from __future__ import annotations

import random

import pytest

from tsforge.runtime.numbers import amount, figure, figures


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


@pytest.mark.parametrize(("value", "text"), [
    (5e6, "5,000,000"), (12345.6, "12,346"), (999.96, "1,000"), (999.94, "999.9"), (-1234.4, "-1,234"), (0.25, "0.25"),
    (0.00002, "0.00002"), (float("inf"), "-"), (0.0, "0"),
])  # fmt: skip
def test_figures(value: float, text: str) -> None:
    """Prevents: a large score with an exponent."""
    assert figure(value) == text


@pytest.mark.parametrize(("values", "texts"), [
    ([0.3915, 0.5669, 8.9211], ["0.3915", "0.5669", "8.9211"]),
    ([232.5123, 5299.04], ["232.5", "5,299.0"]),
    ([105090.2, 46902173.0], ["105,090", "46,902,173"]),
    ([0.8, 0.79167, None], ["0.8000", "0.7917", "-"]),
    ([12.35, 0.00123, float("nan")], ["12.3500", "0.0012", "-"]),
    ([1e-9, 2.0], ["1e-09", "2"]),
    ([0.0, 0.0], ["0", "0"]),
    ([-0.5, 0.0], ["-0.5000", "0.0000"]),
])  # fmt: skip
def test_numbers_beside_each_other_end_at_the_same_place(values: list[float | None], texts: list[str]) -> None:
    """Prevents: 0.5 above 0.4321, which are hard to compare, and a small one that is rounded to nothing."""
    assert figures(values) == texts
    places = {len(text.partition(".")[2]) for text in texts if text != "-"}
    assert len(places) == 1 or "1e-09" in texts


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_near_what_they_show(seed: int) -> None:
    """Prevents: digits that are lost, or thousands that are misread, whatever the size."""
    draw = random.Random(seed)
    for _ in range(200):
        values = [draw.uniform(1, 10) * 10 ** draw.randint(-2, 7) for _ in range(3)]
        for shown in (list(map(figure, values)), figures(values)):
            read = [float(text.replace(",", "")) for text in shown]
            assert "e" not in "".join(shown)
            assert read[values.index(max(values))] == pytest.approx(max(values), rel=1e-3)
        assert [float(t.replace(",", "")) for t in map(figure, values)] == pytest.approx(values, rel=1e-3)
