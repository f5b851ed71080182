"""What a comparison is read from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tsforge.comparison import config
from tsforge.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]

FILE = """
name = "mine"
[data]
horizon = 6
[train]
max_steps = 50
[model]
scaling = "none"
[compare]
models = ["rnn", "transformer"]
seeds = 4
settings.transformer.backbone.heads = 2
probes.lags = [5, 9]
[[groups]]
name = "a"
data.path = "a.csv"
[[groups]]
name = "b"
data.path = "b.csv"
train.max_steps = 70
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return str(path)


def test_a_file_and_what_wins_over_it(file: str) -> None:
    plan = config.read(file, {"data.horizon": 8, "model.width": 32}, {"seeds": 2})
    assert (plan.name, plan.compare.models, plan.compare.seeds) == ("mine", ("rnn", "transformer"), 2)
    assert {name: (e.data.path, e.data.horizon, e.train.max_steps) for name, e in plan.experiments.items()} == {
        "a": ("a.csv", 8, 50),
        "b": ("b.csv", 8, 70),
    }
    assert plan.compare.probes
    assert plan.compare.probes.lags == (5, 9)
    models = {name: plan.compare.model(name) for name in plan.compare.models}
    assert [(m.scaling, m.width) for m in models.values()] == [("none", 32), ("none", 32)]
    assert getattr(models["transformer"].backbone, "heads", None) == 2
    assert getattr(models["rnn"].backbone, "cell", None) == "rnn"


def test_a_table_alone() -> None:
    plan = config.read("some/load.csv", {"data.horizon": 8, "seed": 5}, {"models": ["lstm", "gru"]})
    assert plan.name == "lstm-vs-gru"
    ((name, experiment),) = plan.experiments.items()
    assert (name, experiment.data.path, experiment.seed) == ("load", "some/load.csv", 5)
    assert plan.compare.probes


@pytest.mark.parametrize(
    ("overrides", "compare", "said"),
    [
        ({}, {"models": ["lstm", "tranformer"]}, "there is no model 'tranformer'"),
        ({}, {"models": ["lstm", "linear"]}, "'linear' is no network"),
        ({}, {"models": ["lstm", "lstm"]}, "named twice"),
        ({}, {"models": ["lstm"], "settings": {"gru": {"width": 3}}}, "settings for 'gru', which is not compared"),
        ({}, {"seeds": 0}, "seeds"),
        ({}, {"probes": {"lag": [3]}}, "there is no setting"),
        ({"model.kind": "lstm"}, {}, "several models"),
        ({"data.horizn": 3}, {}, "data.horizn"),
        ({}, {"optional": ["c"]}, "optional names 'c'"),
    ],
)
def test_refusals(overrides: dict[str, Any], compare: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as problem:
        config.read("data.csv", overrides, compare)
    assert said in problem.value.message


def test_a_setting_that_a_model_does_not_know() -> None:
    plan = config.read("data.csv", {"model.backbone.headz": 3}, {"models": ["transformer"]})
    with pytest.raises(ConfigError, match="headz"):
        plan.compare.model("transformer")


def test_quick_is_smaller_everywhere_and_asks_for_the_same(file: str) -> None:
    plan = config.read(file, {}, {"budget": "time"})
    small = config.quick(plan)
    assert set(small.experiments) == set(plan.experiments)
    assert small.compare.models == plan.compare.models
    assert small.compare.budget == "steps"
    assert plan.compare.probes
    assert small.compare.probes
    assert small.compare.probes.steps < plan.compare.probes.steps
    assert all(e.train.max_steps <= 40 for e in small.experiments.values())


def test_the_shipped_comparison_is_one() -> None:
    plan = config.read(str(ROOT / "pipelines" / "rnn-vs-lstm-vs-transformer.toml"), {}, {})
    assert plan.compare.models == ("rnn", "lstm", "gru", "min-gru", "transformer")
    assert plan.compare.seeds >= 3
    assert plan.compare.probes
    assert plan.compare.probes.lags == (10, 30, 100, 300, 1000)
    assert list(plan.experiments) == ["electricity-demand", "etth1"]
