"""Networks, losses and metrics of users, by name, wherever ours are; with a plain computation beside each."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import tsforge
from tests.helpers.stores import ROOT
from tsforge.api import reference
from tsforge.api.extending import Config, Ratio
from tsforge.cli.main import run
from tsforge.errors import ConfigError, ModelError
from tsforge.runtime import plugins

MODULE = '''
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

import tsforge
from tsforge.api.extending import Config, Metric, Point, Range, Ratio


class Mean(Config):
    """The mean of the newest tokens, times a learned matrix.

    newest: tokens that it reads.
    """

    type: Literal["mean"] = "mean"
    newest: Annotated[int, Field(ge=1), Range(1, 8)] = 4
    settings: ClassVar[dict[str, Any]] = {"width": 16, "base": "none"}

    def build(self, shape):
        return Averaging(shape.width, self.newest)


class Averaging(nn.Module):
    def __init__(self, width, newest):
        super().__init__()
        self.out, self.newest = nn.Linear(width, width), newest

    def forward(self, past, future):
        return self.out(past[:, -self.newest:].mean(dim=1, keepdim=True)).expand_as(future)


class Half(Config):
    """A point forecast that knows a loss of its own."""

    type: Literal["half"] = "half"
    levels: ClassVar[tuple[float, ...]] = ()
    loss: ClassVar[str] = "half"
    support: ClassVar[str] = "real"

    def build(self, features):
        return Halving(features)


class Halving(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.out = nn.Linear(features, 1)

    def forward(self, features, base, scaling):
        return Point(base + self.out(features).squeeze(-1) / 2, scaling, "cube")


def cube(gap):
    return gap.abs() ** 3


def above(o):
    """Share of forecasts above the truth."""
    return Ratio(o.seen((o.point > o.truth).astype(float)), o.weight)


tsforge.register("backbone", "mean", Mean)
tsforge.register("loss", "cube", cube)
tsforge.register("head", "half", Half)
tsforge.register("metric", "above", Metric(above, lower_is_better=False))
'''


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is registered here is forgotten."""
    for name in ("_added", "_checked", "_hidden", "_seen"):
        monkeypatch.setattr(plugins, name, type(getattr(plugins, name))(getattr(plugins, name)))
    monkeypatch.setattr(plugins, "_added", {kind: {} for kind in plugins.GROUPS})
    monkeypatch.setenv("TSFORGE_REGISTERED", "{}")
    yield
    sys.modules.pop("mymean", None)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one of each kind, which this process and those that it starts are told of."""
    path = tmp_path / "mymean.py"
    path.write_text(MODULE)
    monkeypatch.setenv("TSFORGE_PLUGINS", str(path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    return path


def _fit(**settings: Any) -> Any:
    return tsforge.fit("air-passengers", horizon=6, model="mean", settings={"max_steps": 3, "context": 24} | settings)


@pytest.mark.usefixtures("module")
def test_a_network_is_a_model_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    fitted = _fit(newest=5)
    assert fitted.model.experiment.plain()["model"]["backbone"] == {"type": "mean", "newest": 5}
    assert (fitted.model.experiment.model.width, fitted.model.experiment.model.base) == (16, "none")
    folder = fitted.save("models/m")
    again = tsforge.build({}, folder / "experiment.toml")
    assert again == fitted.model.experiment
    np.testing.assert_array_equal(tsforge.predict(folder, "air-passengers").point, fitted.predict().point)
    assert run(["backtest", "models/m", "air-passengers", "--metrics", "above,mase", "--json", "--no-track"]) == 0
    outcome = fitted.outcomes["mean"]
    scores = json.loads(capsys.readouterr().out)["scores"]["mean"]
    assert scores["above"] == pytest.approx((outcome.point > outcome.truth).mean())  # by hand
    assert fitted.scores.loc["above", "mean"] == scores["above"]
    names = [model.name for model in reference.models()]
    assert names[-1] == "mean"
    (newest,) = reference.settings("newest", "mean")
    assert newest.text == "tokens that it reads."
    assert newest.values == "whole number from 1; swept from 1 to 8"


@pytest.mark.usefixtures("module")
def test_a_model_whose_network_is_not_registered_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder names what it needs, and nothing is imported for it."""
    folder = _fit().save("models/m")
    assert "mymean" not in "".join(p.read_text(errors="ignore") for p in folder.glob("*.json"))
    monkeypatch.setattr(plugins, "_added", {kind: {} for kind in plugins.GROUPS})
    monkeypatch.setattr(plugins, "_checked", {})
    with pytest.raises(ModelError, match="models/m: needs the model 'mean', which is not registered here"):
        tsforge.load(folder)


@pytest.mark.usefixtures("module")
def test_a_loss_and_a_head_are_what_is_trained_by() -> None:
    """The best validation loss is the mean of the user's function over the windows that were held out."""
    fitted = _fit(**{"model.head.loss": "cube"})
    assert fitted.model.experiment.model.head.type == "point"
    with torch.inference_mode():
        from tsforge.data.loader import WindowLoader

        batches = WindowLoader(fitted.dataset.source, fitted.dataset.parts.validation, 64)
        losses = []
        for context, truth in batches:
            forecast = fitted.model.network(context)
            gap = forecast.normalised - (truth.target - forecast.scaling.loc) / forecast.scaling.scale
            losses.append((gap.abs() ** 3).mean())
    assert float(torch.stack(losses).mean()) == pytest.approx(fitted.history["validation"].min(), rel=1e-5)
    assert _fit(**{"model.head": "half"}).model.experiment.model.head.loss == "half"


def test_other_processes_know_it_too(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that we start, whoever called register: here it is not the module that defines the network."""
    (module.parent / "mymean.py").write_text(MODULE.partition("tsforge.register")[0])
    monkeypatch.delenv("TSFORGE_PLUGINS")
    monkeypatch.syspath_prepend(str(module.parent))
    tsforge.register("backbone", "mean", importlib.import_module("mymean").Mean)
    code = "import tsforge; print(tsforge.build({'model.kind': 'mean'}).model.backbone)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "type='mean' newest=4", done.stderr


class Here(Config):
    """As a notebook would have it."""

    type: Literal["here"] = "here"

    def build(self, _shape: Any) -> Any:
        return lambda _past, future: future


def test_what_a_notebook_defines_is_refused_where_others_would_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Here, "__module__", "__main__")
    tsforge.register("backbone", "here", Here)
    experiment = tsforge.build({"data.horizon": 6, "model.kind": "here", "data.path": "air-passengers"})
    with pytest.raises(ConfigError, match="the backbone 'here' is defined in this script or notebook"):
        tsforge.sweep(experiment, settings={"trials": 1}, space={"train.lr": [0.1, 0.2]}, out="s")
    tsforge.register("backbone", "here", Here)  # the cell runs again


class Narrow(Config):
    """Answers too few numbers."""

    type: Literal["narrow"] = "narrow"

    def build(self, _shape: Any) -> Any:
        return lambda _past, future: future[..., :3]


@pytest.mark.parametrize(
    ("kind", "name", "thing", "message"),
    [
        ("backbone", "gru", Here, "'gru' is a name of tsforge's own"),
        ("backbone", "other", Here, "the backbone 'other' does not say its name"),
        ("backbone", "narrow", Narrow, r"with \(2, 3, 3\)"),
        ("backbone", "a/b", Here, "cannot be the name"),
        ("backbon", "here", Here, "there is no kind 'backbon'"),
        ("loss", "flat", lambda gap: gap.sum(), "no tensor as large"),
        ("loss", "root", lambda gap: gap.abs().sqrt(), "no finite value and gradient"),
        ("metric", "mape2", lambda o: Ratio(o.point - o.truth, o.weight), "0 where nothing was observed"),
        ("head", "here", Here, "does not say its name|does not say its levels"),
    ],
)
def test_what_does_not_keep_its_contract_is_refused_at_once(kind: Any, name: str, thing: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tsforge.register(kind, name, thing)
    assert name not in plugins.names("backbone")


def test_entry_points_of_installed_packages(tmp_path: Path) -> None:
    """As an installer leaves them; a package that does not import hurts nobody who does not name its thing."""
    (tmp_path / "mymean.py").write_text(MODULE.partition("tsforge.register")[0])
    info = tmp_path / "mymean-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mymean\nVersion: 1\n")
    groups = "[tsforge.backbones]\nmean = mymean:Mean\n[tsforge.metrics]\nabove = mymean:above\nbad = nowhere:bad\n"
    (info / "entry_points.txt").write_text(groups)
    code = (
        "import tsforge\n"
        "print(tsforge.build({'model.kind': 'mean'}).model.backbone)\n"
        "from tsforge.evaluation import metrics\n"
        "print(list(metrics.every())[-1])\n"
        "metrics.find('bad')\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "TSFORGE_PLUGINS": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["type='mean' newest=4", "above"], done.stderr
    assert "the metric 'bad' cannot be loaded from nowhere:bad of the package mymean" in done.stderr
