"""How long a pretraining lasts, how its rate falls, and what its settings may be."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

from tests.helpers.house import ROOT
from tsforge.errors import ConfigError
from tsforge.training.pretraining.config import Budget, PretrainConfig, Pretraining, budget, build, rate


def test_the_pipeline_is_that_of_the_defaults() -> None:
    """Prevents: a shipped file that trains other weights than the command alone, or that no longer parses."""
    assert build({}, ROOT / "pipelines" / "zero.toml") == Pretraining()


@pytest.mark.parametrize(("hours", "steps"), [(None, None), (1.0, 5), (0.0, None), (-1.0, None), (None, 0)])
def test_a_budget_is_one_of_both(hours: float | None, steps: int | None) -> None:
    """Prevents: a training of no length, or one that one of two limits ends in silence."""
    with pytest.raises(ConfigError):
        budget(hours, steps)


def test_steps_look_at_no_clock() -> None:
    """Prevents: weights that depend on how fast the machine was."""
    assert budget(None, 40).spent(10, seconds=1e9) == 0.25
    assert budget(0.5, None).spent(10, seconds=900.0) == 0.5
    assert Budget(steps=5).spent(7, 0.0) == 1.0


@pytest.mark.parametrize("decay", [0.2, 0.35, 0.9])
def test_the_rate_rises_stays_and_falls(decay: float) -> None:
    """Prevents: a rate that jumps, or that has not fallen when the budget is spent."""
    config = PretrainConfig(warmup=0.05, decay=decay)
    rates = [rate(config, spent / 1000) for spent in range(1001)]
    assert rates[50:1000] == sorted(rates[50:1000], reverse=True)
    assert rates[:50] == sorted(rates[:50])
    assert rates[0] > 0
    assert max(rates) == 1.0
    assert rates[round(1000 * (1 - decay)) - 1] == 1.0
    assert rates[1000] == 0.0
    assert max(abs(b - a) for a, b in pairwise(rates)) < 0.08
    middle = rate(config, 1 - decay / 4)  # three quarters of the fall are over
    assert middle == pytest.approx(1 - math.sqrt(0.75))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"train.warmup": 0.4, "train.decay": 0.7}, "rise for 0.4"),
        ({"train.lrr": 1.0}, "train.lr"),
        ({"model.mixer": "lstm"}, "mixer"),
        ({"mixture.ets": -1.0}, "ets"),
    ],
)
def test_a_setting_that_is_none_is_named(settings: dict[str, object], named: str) -> None:
    """Prevents: a misspelled setting that hours of training ignore."""
    with pytest.raises(ConfigError) as caught:
        build(settings)
    assert named in f"{caught.value.message} {caught.value.hint}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Prevents: defaults trained in place of a file that was misspelled."""
    with pytest.raises(ConfigError, match="no such file"):
        build({}, tmp_path / "zreo.toml")
