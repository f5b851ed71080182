"""The pretrained weights that come with the package: what their card says of them holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import tsforge
from benchmarks.zero import scores
from tests.helpers.house import ROOT
from tsforge.fitted import manifest
from tsforge.fitted.starting import WEIGHTS
from tsforge.model.zoo import PRETRAINED
from tsforge.training.pretraining.config import Pretraining

CHECKED = ("air-passengers", "m1-yearly")


def card(name: str) -> dict[str, object]:
    text = (WEIGHTS / name / "card.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_every_pretrained_model_has_its_weights() -> None:
    """Prevents: a name without weights, or weights that no name leads to."""
    assert {path.name for path in WEIGHTS.iterdir()} == set(PRETRAINED)


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_card_says_how_the_weights_came_about(name: str) -> None:
    """Prevents: weights that nobody can make again, or that nobody may use."""
    facts = card(name)
    assert {"seed", "steps", "hours", "commit", "hardware", "versions", "licence", "scores", "data"} <= facts.keys()
    config = Pretraining.model_validate(facts["pretraining"])
    assert config.model == tsforge.load(WEIGHTS / name).experiment.model
    assert config.seed == facts["seed"]


@pytest.mark.parametrize("name", PRETRAINED)
@pytest.mark.parametrize("table", CHECKED)
def test_the_figures_of_a_card_are_those_of_the_weights(name: str, table: str) -> None:
    """Prevents: figures of other weights, or a change of the code that forecasts otherwise than they were measured."""
    stated = card(name)["scores"]
    assert isinstance(stated, dict)
    row = scores(WEIGHTS / name, table)
    for figure in ("mase", "wql", "relative_mase"):
        assert getattr(row, figure) == pytest.approx(stated[table][figure], rel=2e-3), figure
    assert row.relative_mase < 1


@pytest.mark.parametrize("name", PRETRAINED)
def test_weights_are_small_and_hold_nothing_that_runs(name: str) -> None:
    """Prevents: a wheel that grows by more than five megabytes, or a file that is unpickled."""
    folder = WEIGHTS / name
    manifest.check(folder)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".toml", ".safetensors"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000
    assert all(torch.isfinite(p).all() for p in tsforge.load(folder).network.parameters())


def test_the_wheel_takes_everything_in_the_package() -> None:
    """Prevents: a wheel without the weights: they lie inside the package, and nothing excludes them."""
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["packages"] == ["tsforge"]
    assert "exclude" not in json.dumps(build)
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not {"*.safetensors", "weights/", "/tsforge/weights/", "*.json"} & set(ignored)
    assert Path(ROOT / "tsforge" / "weights") == WEIGHTS
