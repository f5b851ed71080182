"""Forecasts as a file: the figures that a frame holds, letter by letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import lay, walk
from tsforge.data import tidy


@pytest.mark.parametrize("decimal", [None, ","])
@pytest.mark.parametrize("scale", [1e0, 1e3, 1e5, 1e6, 1e7, 1e9])
def test_large_numbers_are_written_without_an_exponent(tmp_path: Path, scale: float, decimal: str | None) -> None:
    """Prevents: 5e+06 and 1.1106218e+07 for sales of 5000000 and 11106218, and other digits than there are."""
    rng = np.random.default_rng(int(scale))
    values = (rng.uniform(0.1, 10, 4000) * scale).astype(np.float32)
    values[:4] = [5_000_000, np.nan, 0.1, -1_234_567.1]
    tidy.write(pd.DataFrame({"t": range(4000), "forecast": values}), tmp_path / "a.csv", decimal)
    lines = (tmp_path / "a.csv").read_text().splitlines()[1:]
    cells = [line.split(";" if decimal else ",")[1].replace(",", ".") for line in lines]
    assert cells[0] == "5000000.0"
    assert cells[2] == "0.1"
    assert not [cell for cell in cells if "e" in cell]
    read = np.array([np.float32(cell) if cell.strip('"') else np.nan for cell in cells], dtype=np.float32)
    np.testing.assert_array_equal(read, values)


def test_doubles_are_written_as_they_are(tmp_path: Path) -> None:
    """Prevents: digits lost of numbers in double precision, as nine-digit whole numbers."""
    values = np.array([123_456_789.0, 1e9 + 0.123456, 0.1])
    tidy.write(pd.DataFrame({"forecast": values}), tmp_path / "a.csv")
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "a.csv")["forecast"], values)


@pytest.mark.parametrize(("value", "written"), [
    (1_700_000_000_123.0, 1_700_000_000_123.0), (-98_765_432_109_876.0, -98_765_432_109_876.0),
    (20_000_000_018.734567, 20_000_000_018.73), (5_000_000_018.734567, 5_000_000_018.73), (2.0**53, 9007199254740990.0),
    (0.1 + 0.2, 0.3), (1 / 3, 0.333333333333), (1e21, 1e21), (-0.0, 0.0), (np.nan, np.nan),
])  # fmt: skip
def test_as_many_digits_as_a_forecast_has(value: float, written: float) -> None:
    """Prevents: milliseconds of an epoch in steps of ten, and 0.30000000000000004."""
    point = np.full((1, 2, 1), value)
    frame = tidy.forecasts(lay(walk((30,)).drop(columns="item")), point, point[..., None], (0.5,))
    for name in ("forecast", "q0.5"):
        np.testing.assert_array_equal(frame[name], [written] * 2)


@pytest.mark.parametrize(("name", "decimal"), [("a.csv", None), ("a.csv", ","), ("a.parquet", None)])
def test_a_table_is_in_its_place_once_it_is_whole(
    tmp_path: Path, name: str, decimal: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: an empty forecast where a command was killed while it wrote over an older one."""
    path, frame = tmp_path / name, pd.DataFrame({"x": [1.5, 2.5]})
    tidy.write(frame, path, decimal)
    before = path.read_bytes()
    for method in ("to_csv", "to_parquet"):

        def broken(_frame: pd.DataFrame, draft: Path, **_: object) -> None:
            draft.write_bytes(b"")
            assert path.read_bytes() == before
            raise OSError(28, "no space")

        monkeypatch.setattr(pd.DataFrame, method, broken)
    with pytest.raises(OSError, match="no space"):
        tidy.write(frame, path, decimal)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _large(ids: object, scale: float = 1.0) -> pd.DataFrame:
    """A forecast with so many rows that pandas is slow to write it."""
    n = 12_000
    values = np.random.default_rng(0).normal(size=n) * scale
    values[5], values[6] = np.nan, 0.0
    times = pd.date_range("2020-01-01", periods=n, freq="min").strftime("%d.%m.%Y %H:%M")
    return pd.DataFrame({
        "id": ids, "time": times, "step": np.arange(n), "forecast": values.astype(np.float32),
        "whole": np.round(values).astype(np.float32), "double": np.round(values, 3),
    })  # fmt: skip


@pytest.mark.parametrize("scale", [1.0, 1e5, 1e12, 1e-9])
@pytest.mark.parametrize(("first", "other"), [
    ("a b", "ü"), ("a,b", "c"), ('5" pipe', "c"), ("", "c"), (None, "c"), (1, 2), (1, "c"), (0.1, 1e-7), (True, False),
])  # fmt: skip
def test_a_large_forecast_is_written_as_a_small_one(first: object, other: object, scale: float, tmp_path: Path) -> None:
    """Prevents: 5 for 5.0, nan for an empty cell, a name that ends at its comma, once there are many rows."""
    frame = _large(np.array([first, other] * 6_000, dtype=object), scale)
    tidy.write(frame, tmp_path / "all.csv")
    expected = tidy._without_exponents(frame).to_csv(index=False)
    assert (tmp_path / "all.csv").read_text(encoding="utf-8") == expected
    read = pd.read_csv(tmp_path / "all.csv")
    for name in ("forecast", "whole", "double"):
        np.testing.assert_array_equal(read[name].to_numpy(np.float32), frame[name].to_numpy(np.float32))
