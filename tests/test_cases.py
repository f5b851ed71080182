"""Small tables with one awkward thing each, where a folder of them lies beside the project: what its list calls right.

The kinds have tests of their own with tables written there; these are seen to end well as a whole.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsforge
from tests.helpers.tables import lay
from tsforge.data.season import detect_season
from tsforge.errors import DataError

CASES = Path(__file__).parents[2] / "shared" / "cases"
TAKEN = (
    "yy-mm-dd.csv",
    "week-packed.csv",
    "hour-packed.csv",
    "weekdays-differ.csv",
    "hour-24.csv",
)  # of two ways to be right
LIST = CASES / "README.md"


def rows() -> dict[str, tuple[str, str]]:
    """By file: the flags, and what is right."""
    if not LIST.exists():
        return {}
    lines = [[cell.strip() for cell in line.split("|")] for line in LIST.read_text("utf-8").splitlines()]
    return {cells[1]: (cells[2], cells[3]) for cells in lines if len(cells) == 5 and cells[1].endswith(".csv")}


def settings(flags: str) -> dict[str, Any]:
    words = flags.split()
    return {f"data.{flag.removeprefix('--')}": value for flag, value in zip(words[::2], words[1::2], strict=True)}


def forecast(name: str, flags: str, steps: int, kind: str = "seasonal-naive") -> Any:
    experiment = tsforge.build({**settings(flags), "data.horizon": steps, "model.kind": kind})
    return tsforge.predict(tsforge.fit(experiment, CASES / name).model, CASES / name).frame


@pytest.mark.parametrize("name", [n for n, (_, right) in rows().items() if re.match(r"first|error|2 |3 ", right)])
def test_times_values_and_errors(name: str) -> None:
    """Prevents: a table that is misread where its list says what it holds."""
    flags, right = rows()[name]
    first = re.search(r"first ([^;*]+)", right)
    values = re.search(r"values ([\d., ]+)", right)
    error = re.search(r"error naming (.+)", right)
    times = [text.strip() for text in first[1].split(",")] if first else []
    if error and not (first and name in TAKEN):
        with pytest.raises(DataError) as caught:
            forecast(name, flags, 2)
        assert all(word.strip() in f"{caught.value} {caught.value.hint}" for word in error[1].split(","))
        return
    frame = forecast(name, flags, max(2, len(times)))
    panel = lay(CASES / name, **{k.removeprefix("data."): v for k, v in settings(flags).items()})
    if count := re.match(r"(\d) series", right):
        assert len(panel) == int(count[1])
    written = frame[panel.schema.time].astype(str).tolist()
    assert written[: len(times)] == times
    if values:
        expected = [float(v) for v in values[1].split(",")]
        np.testing.assert_allclose(frame["forecast"].iloc[: len(expected)], expected, rtol=0.02)


@pytest.mark.skipif(not LIST.exists(), reason="the folder of small tables does not lie beside the project")
def test_numbers() -> None:
    """Prevents: a season, a size or a gap that is forgotten, and numbers for what was never observed."""
    panel = lay(CASES / "mon-sat-ramp.csv")
    assert detect_season(panel, panel.ends) == 7
    assert forecast("thousands-by-points.csv", "", 7)["forecast"].between(800, 1200).all()
    huge = forecast("huge.csv", "", 3)
    assert (huge["forecast"].between(5e20, 2e21)).all()
    ahead = forecast("ends-earlier.csv", "--target a,b", 3, "drift")
    np.testing.assert_allclose(ahead["forecast"][ahead["target"] == "b"], [220, 222, 224], rtol=1e-6)
    never = forecast("never-observed.csv", "--target a,b", 3)
    assert never["forecast"][(never["id"] == "z") & (never["target"] == "b")].isna().all()
    assert never["forecast"][(never["id"] != "z") | (never["target"] != "b")].notna().all()


@pytest.mark.skipif(not LIST.exists(), reason="the folder of small tables does not lie beside the project")
def test_networks() -> None:
    """Prevents: categories that are others in a later table, and small series drowned by large ones."""
    experiment = tsforge.build({"data.target": "y", "data.future": "zone", "data.horizon": 7, "model.kind": "gru"})
    model = tsforge.fit(experiment, CASES / "zone-train.csv").model
    first, later = (tsforge.predict(model, CASES / f"zone-{part}.csv").frame["forecast"] for part in ("train", "later"))
    np.testing.assert_allclose(first, later, rtol=1e-5)
    np.testing.assert_allclose(later, [50, 50, 50, 80, 50, 50, 50], rtol=0.1)
    fitted = tsforge.fit(tsforge.build({"model.kind": "patch-gru"}), CASES / "sizes-apart.csv")
    assert fitted.metrics["patch-gru"]["mase"] < 1.2
    frame = tsforge.predict(fitted.model, CASES / "sizes-apart.csv").frame
    small = frame[frame["id"] == "s10"]
    assert (small["q0.05"] > 0).all()
    assert (small["q0.95"] < 40).all()
