"""Weights that a training begins with: fine-tuning never ends worse than it began, and refuses what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.tables import daily, hourly, walk
from tsforge.errors import ConfigError, ModelError
from tsforge.fitted.starting import WEIGHTS
from tsforge.training import fitting, single

TABLES = {"hourly": hourly(12), "daily": daily(), "walks": walk((60, 80, 41), seed=4)}
GRU = {"model.kind": "gru", "model.width": 8, "data.horizon": 6, "data.context": 24, "train.max_steps": 4}


def settings(name: str, **more: Any) -> tsforge.Experiment:
    columns = {"walks": {"data.id": "item"}, "daily": {"data.id": "item"}}.get(name, {})
    return tsforge.build({"model.kind": "zero", "data.horizon": 6} | columns | more)


def weights(model: Any) -> dict[str, torch.Tensor]:
    network = model.network if hasattr(model, "network") else model
    return {name: p.detach() for name, p in network.named_parameters()}


def same(first: Any, second: Any) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", TABLES)
def test_a_pretrained_model_takes_no_steps(name: str) -> None:
    """Prevents: a model that was asked for as it is, and changed in training; or weights other than the package's."""
    fitted = tsforge.fit(settings(name), TABLES[name])
    assert same(fitted.model, tsforge.load(WEIGHTS / "zero"))
    assert (fitted.steps, fitted.stop, fitted.rounds) == (0, "learned", ())
    assert fitted.model.calibration is not None
    assert fitted.metrics["zero"]["mase"] < 1.5 * fitted.metrics["naive"]["mase"]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("lr", [0.5, 0.001])
def test_training_never_leaves_a_model_worse_than_it_began(name: str, lr: float) -> None:
    """Prevents: steps that spoil the weights, kept because those at the start were never judged."""
    experiment = settings(name, **{"train.max_steps": 3, "train.lr": lr, "train.validations": 3, "train.average": 0})
    fitted = tsforge.fit(experiment, TABLES[name])
    losses = [r.validation for r in fitted.rounds]
    assert fitted.rounds[0].step == 0
    dataset = fitting.prepare(settings(name), TABLES[name])
    network = single.untrained(settings(name), dataset).eval()
    loop = single.begin(experiment, dataset)
    with torch.no_grad():
        sums = [(network(b.context).loss(b.truth), b.truth.observed.sum()) for b in loop.validation]
    began = sum(float(loss) * int(n) for loss, n in sums) / sum(int(n) for _, n in sums)
    assert losses[0] == pytest.approx(began, rel=1e-4)
    assert fitted.rounds[-1].step == 3
    if lr == 0.5:  # far too high: what it began with is what it ends with
        assert min(losses) == losses[0]
        assert same(fitted.model, tsforge.load(WEIGHTS / "zero"))
    assert min(losses) <= losses[0]


@pytest.mark.parametrize("kind", ["gru", "patch-gru", "nlinear"])
def test_any_network_goes_on_from_another_of_its_kind(kind: str, tmp_path: Path) -> None:
    """Prevents: weights that are not those named, or a training that begins from chance."""
    table = hourly(12)
    model = {"model.kind": kind, "data.horizon": 6, "data.context": 48, "train.max_steps": 20}
    first = tsforge.fit(tsforge.build(model | {"model.width": 16}), table, out=tmp_path / "first")
    more = {"data.horizon": 6, "data.context": 48, "train.start": str(tmp_path / "first"), "train.max_steps": 1}
    experiment = tsforge.build(more)  # kind and width are those of the folder
    assert (experiment.model.kind, experiment.model.width) == (kind, 16)
    second = tsforge.fit(experiment, table)
    best = min(r.validation for r in first.rounds)
    assert second.rounds[0].validation == pytest.approx(best, rel=1e-5)
    assert min(r.validation for r in second.rounds) <= second.rounds[0].validation


@pytest.mark.parametrize(("more", "named"), [
    ({"data.horizon": 5}, "horizon 6, not 5"),
    ({"model.width": 16}, "model.width is 8, not 16"),
    ({"model.kind": "lstm"}, "model.kind is gru, not lstm"),
    ({"model.scaling": "last"}, "model.scaling is standard, not last"),
    ({"data.target": ("load", "other")}, "targets 1, not 2"),
])  # fmt: skip
def test_weights_of_another_architecture_are_refused(more: dict[str, Any], named: str, tmp_path: Path) -> None:
    """Prevents: weights that are loaded into what they were not trained for, or an error that names tensors."""
    table = hourly(12).assign(other=1.0 + np.arange(288) % 5)
    tsforge.fit(tsforge.build(GRU | {"data.target": "load"}), table, out=tmp_path / "m")
    asked = {name: value for name, value in GRU.items() if name not in ("model.kind", "model.width")}
    experiment = tsforge.build(asked | {"data.target": "load", "train.start": str(tmp_path / "m")} | more)
    with pytest.raises(ModelError) as caught:
        tsforge.fit(experiment, table)
    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["auto", "theta"])
def test_what_has_no_weights_starts_from_none(kind: str, tmp_path: Path) -> None:
    """Prevents: weights that were named and are ignored."""
    tsforge.fit(tsforge.build(GRU), hourly(12), out=tmp_path / "m")
    with pytest.raises(ConfigError, match=r"train\.start is for a network"):
        tsforge.build({"model.kind": kind, "train.start": str(tmp_path / "m")})


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    """Prevents: a misspelled folder, and a model that was trained from nothing in its place."""
    with pytest.raises(ConfigError, match="nowhere: no model directory"):
        tsforge.build({"train.start": "nowhere"})
    (tmp_path / "experiment.json").write_text("[]")
    with pytest.raises(ConfigError, match="no model directory"):
        tsforge.build({"train.start": str(tmp_path)})


def test_several_networks_are_no_start(tmp_path: Path) -> None:
    """Prevents: one member of an ensemble taken for the whole of it."""
    tsforge.fit(tsforge.build(GRU | {"ensemble": 2}), hourly(12), out=tmp_path / "m")
    with pytest.raises(ModelError, match="several networks"):
        tsforge.fit(tsforge.build(GRU | {"train.start": str(tmp_path / "m")}), hourly(12))


@pytest.mark.parametrize("kind", ["gru", "theta", "naive"])
def test_no_steps_are_for_pretrained_models(kind: str) -> None:
    """Prevents: a network with random weights that counts as trained."""
    with pytest.raises(ConfigError, match="max_steps = 0 is for pretrained models"):
        tsforge.build({"model.kind": kind, "train.max_steps": 0})


def test_a_pretrained_model_is_no_ensemble() -> None:
    """Prevents: the same forecast computed several times."""
    with pytest.raises(ConfigError, match="learns the same"):
        tsforge.build({"model.kind": "zero", "ensemble": 3})


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    """Prevents: an experiment that trains when it is repeated, though it did not the first time, or the reverse."""
    for steps in ({}, {"train.max_steps": 7}, {"train.max_time": "2s"}):
        experiment = settings("hourly", **steps)
        (tmp_path / "e.toml").write_text(experiment.toml())
        assert tsforge.build({}, tmp_path / "e.toml") == experiment
    assert settings("hourly").train.max_steps == 0
    assert settings("hourly", **{"train.max_time": "2s"}).train.max_steps == 1000


def test_a_blend_has_pretrained_members(tmp_path: Path) -> None:
    """Prevents: a member that is trained for the steps of the others, or not loaded with its own weights."""
    members = [{"model": {"kind": "zero"}}, {"model": {"kind": "theta"}}]
    blend = {"model.kind": "blend", "model.members": members, "data.horizon": 6, "data.id": "item"}
    fitted = tsforge.fit(tsforge.build(blend), daily(), out=tmp_path / "m")
    assert same(fitted.model.network.members[0], tsforge.load(WEIGHTS / "zero"))
    before, after = (tsforge.predict(m, daily()).frame for m in (fitted.model, tmp_path / "m"))
    pd.testing.assert_frame_equal(before, after)
