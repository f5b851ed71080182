"""Before they are compared, all architectures search in as many trials, on validation windows alone, and stay equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from tsforge.comparison import running
from tsforge.comparison.running import Compared
from tsforge.errors import ConfigError
from tsforge.settings import build
from tsforge.sweeping import trials
from tsforge.sweeping.config import load
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import open_study

QUICK = {"data.horizon": 4, "data.context": 12, "data.season": 24, "train.max_steps": 10}
COMPARE = {"models": ["gru", "transformer"], "seeds": 1, "parameters": 6000, "probes": False, "tune": 3}
TEST = 72

pytestmark = pytest.mark.usefixtures("forked")


def table(path: Path, *, poisoned: bool = False) -> str:
    """Two weeks of hours; the last 72 of them absurd where poisoned."""
    n = 24 * 24
    load = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 24) + np.random.default_rng(3).normal(size=n)
    if poisoned:
        load[-TEST:] *= 1e4
    pd.DataFrame({"time": pd.date_range("2024-03-01", periods=n, freq="h"), "load": load}).to_csv(path, index=False)
    return str(path)


def compared(data: str, out: Path, overrides: dict[str, Any] | None = None, **more: Any) -> Compared:
    settings = {"data.validation": TEST, "data.test": TEST}
    return running.compare(data, QUICK | settings | (overrides or {}), COMPARE | more, out=out)


def study(folder: Path) -> optuna.Study:
    place, sampler = Place(folder, load(folder).title), optuna.samplers.RandomSampler()
    return open_study(place, ["x"], sampler, optuna.pruners.NopPruner())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Compared, Path]:
    place = tmp_path_factory.mktemp("tuned")
    return compared(table(place / "load.csv"), place / "c"), place


def folders(place: Path) -> dict[str, Path]:
    (data,) = (place / "c" / "tuning").iterdir()
    return {path.name: path for path in data.iterdir() if path.is_dir()}


def test_all_have_the_same_number_of_trials_and_the_best_is_compared(done: tuple[Compared, Path]) -> None:
    """Prevents: an architecture that is helped more than another, or trained with other settings than it found."""
    result, place = done
    (data,) = result.measured.data
    assert set(folders(place)) == {"gru", "transformer"}
    for model, folder in folders(place).items():
        counted = trials.counted(study(folder).trials)
        assert len(counted) == 3
        assert {t.state.name for t in counted} <= {"COMPLETE", "PRUNED"}
        best = min((t for t in counted if t.state.name == "COMPLETE"), key=lambda t: t.values[0])
        tuned = data.tuned[model]
        assert (tuned.trials, tuned.score) == (3, best.values[0])
        expected = load(folder).search_space.experiment(best.params).flat()
        trained = next(path for path in (place / "c" / "models").rglob("experiment.toml") if f"{model}-" in str(path))
        flat = build({}, trained).flat()
        for path, value in tuned.settings.items():
            assert flat[path] == expected[path] == value


def test_what_makes_them_equal_is_not_varied(done: tuple[Compared, Path]) -> None:
    """Prevents: a winner that is only larger, or that saw more windows in as many steps."""
    result, place = done
    (data,) = result.measured.data
    for model, folder in folders(place).items():
        varied = {s.path for s in load(folder).search_space.settings if not s.fixed}
        assert "train.lr" in varied
        assert not varied & {"model.width", "train.batch_size"}
        assert {"model.width", "train.batch_size"} <= set(data.tuned[model].fixed)
    counts = [fitted.parameters for fitted in data.fits]
    assert max(counts) / min(counts) < 1.1


def test_the_test_part_changes_no_setting(done: tuple[Compared, Path], tmp_path: Path) -> None:
    """Prevents: settings that were chosen knowing the truths they are scored on."""
    (first,) = done[0].measured.data
    (other,) = compared(table(tmp_path / "load.csv", poisoned=True), tmp_path / "c").measured.data
    assert {m: t.settings for m, t in first.tuned.items()} == {m: t.settings for m, t in other.tuned.items()}
    assert {m: t.score for m, t in first.tuned.items()} == {m: t.score for m, t in other.tuned.items()}


def test_the_same_call_makes_no_more_trials_and_says_what_was_found(done: tuple[Compared, Path]) -> None:
    result, place = done
    again = compared(str(place / "load.csv"), place / "c")
    assert [len(study(folder).trials) for folder in folders(place).values()] == [3, 3]
    assert again.measured.data[0].tuned == result.measured.data[0].tuned
    for ending in ("md", "html"):
        text = next((place / "c").glob(f"*.{ending}")).read_text("utf-8")
        assert "tuning" in text.lower()
        assert "train.lr" in text


def test_what_the_user_fixed_stays(tmp_path: Path) -> None:
    """Prevents: a flag that is overruled by a search."""
    result = compared(table(tmp_path / "load.csv"), tmp_path / "c", {"train.lr": 0.004}, tune=1)
    for tuned in result.measured.data[0].tuned.values():
        assert "train.lr" in tuned.fixed
        assert "train.lr" not in tuned.settings


def test_nothing_left_to_search_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be tuned") as caught:
        compared(
            table(tmp_path / "load.csv"), tmp_path / "c",
            {"train.lr": 0.004, "train.weight_decay": 0.0, "model.backbone.layers": 1, "model.backbone.dropout": 0.0},
            models=["gru", "lstm"], tune=1,
        )  # fmt: skip
    assert "compare.tune" in caught.value.hint
