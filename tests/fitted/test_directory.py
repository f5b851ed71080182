"""The model directory: loading executes nothing, and a half-written one never appears."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import tsforge
from tsforge.errors import ModelError
from tsforge.fitted import directory


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (Path.write_text, (self.target, "boom"))  # type: ignore[return-value]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    data = pd.DataFrame({"t": range(60), "y": np.sin(np.arange(60))})
    experiment = tsforge.build({"data.horizon": 4, "model.kind": "rnn", "model.width": 4, "train.max_steps": 2})
    tsforge.fit(experiment, data, out=tmp_path / "model")
    return tmp_path / "model"


def resign(folder: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as an attacker would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_weights_that_are_a_pickle_are_refused_and_not_run(model: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    (model / "weights.safetensors").write_bytes(pickle.dumps(Bomb(flag)))
    resign(model, "weights.safetensors")
    with pytest.raises(ModelError):
        directory.load(model)
    assert not flag.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_neither_saved_nor_loaded(model: Path, value: float) -> None:
    """A folder that forecasts NaN with exit code 0."""
    before = (model / "weights.safetensors").read_bytes()
    loaded = directory.load(model)
    next(loaded.network.parameters()).data.view(-1)[0] = value
    with pytest.raises(ModelError, match="not all numbers"):
        directory.save(loaded, model, lambda _: None)
    assert (model / "weights.safetensors").read_bytes() == before
    save_file(dict(loaded.network.state_dict()), model / "weights.safetensors")
    resign(model, "weights.safetensors")
    with pytest.raises(ModelError, match="not all numbers"):
        directory.load(model)


def test_settings_cannot_name_code(model: Path) -> None:
    content = json.loads((model / "experiment.json").read_text())
    content["model"]["backbone"]["type"] = "os.system"
    (model / "experiment.json").write_text(json.dumps(content))
    resign(model, "experiment.json")
    with pytest.raises(ModelError, match="backbone"):
        directory.load(model)


def test_a_newer_format_says_which_version_wrote_it(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text()) | {"format": 99, "tsforge": "9.9"}
    (model / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"9\.9"):
        directory.load(model)


def test_writing_again_replaces_the_whole_folder(model: Path) -> None:
    (model / "stale.txt").write_text("old")
    loaded = directory.load(model)
    directory.save(loaded, model, lambda folder: (folder / "note.txt").write_text("new"))
    assert not (model / "stale.txt").exists()
    assert (model / "note.txt").read_text() == "new"
    assert sorted(p.name for p in model.parent.iterdir()) == ["model"]


def test_a_failed_write_leaves_the_old_model(model: Path) -> None:
    loaded = directory.load(model)
    before = {p.name: p.read_bytes() for p in model.iterdir()}

    def full(_folder: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        directory.save(loaded, model, full)
    assert {p.name: p.read_bytes() for p in model.iterdir()} == before
    assert sorted(p.name for p in model.parent.iterdir()) == ["model"]


def test_holds_what_people_look_for(model: Path) -> None:
    names = {p.name for p in model.iterdir()}
    assert names >= {
        "manifest.json", "experiment.json", "experiment.toml", "schema.json", "weights.safetensors", "scores.json",
        "history.csv", "loss.png", "forecast.png",
    }  # fmt: skip
    again = tsforge.build({}, model / "experiment.toml")
    assert again == directory.load(model).experiment


def test_intervals_come_back_as_they_were(model: Path) -> None:
    """Corrections of the intervals lost on the way to disk: other quantiles than those that were scored."""
    loaded = directory.load(model)
    assert loaded.calibration is not None
    assert loaded.calibration.levels == loaded.experiment.model.head.levels
    again = model.parent / "again"
    directory.save(loaded, again, lambda _: None)
    assert directory.load(again).calibration == loaded.calibration
    assert (again / "calibration.json").read_bytes() == (model / "calibration.json").read_bytes()
    assert directory.load(again).facts == loaded.facts


def test_baselines_come_back_as_they_were(model: Path) -> None:
    """A matrix, error quantiles or corrections lost on the way to disk, or one baseline's for another's."""
    loaded = directory.load(model)
    again = model.parent / "again"
    directory.save(loaded, again, lambda _: None)
    assert (again / "baselines.safetensors").read_bytes() == (model / "baselines.safetensors").read_bytes()
    for kind, (network, calibration) in directory.load(again).baselines.items():
        before, corrections = loaded.baselines[kind]
        assert network.kind == kind
        assert calibration == corrections
        assert calibration is not None
        assert network.errors.any()
        for name, value in before.state_dict().items():
            assert torch.equal(value, network.state_dict()[name])


def test_a_model_without_baselines_loads_and_damaged_ones_are_refused(model: Path) -> None:
    """An older folder that cannot be read, scores beside another's baselines, a traceback for a header of no use."""
    loaded = directory.load(model)
    bare = model.parent / "bare"
    directory.save(replace(loaded, baselines={}), bare, lambda _: None)
    assert not (bare / "baselines.safetensors").exists()
    assert not directory.load(bare).baselines
    path = model / "baselines.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ModelError, match=r"baselines\.safetensors: damaged or changed"):
        directory.load(model)
    for damaged in (whole[:-20], b"", whole.replace(b"drift.", b"drjft."), whole.replace(b"levels", b"livels")):
        path.write_bytes(damaged)
        resign(model, "baselines.safetensors")
        with pytest.raises(ModelError, match=r"baselines\.safetensors: (cannot be loaded|damaged|by the settings)"):
            directory.load(model)
    path.unlink()
    with pytest.raises(ModelError, match=r"baselines\.safetensors: missing"):
        directory.load(model)


def test_damaged_corrections_are_refused(model: Path) -> None:
    """Intervals of any width by one flipped digit, or a model that forgets that it had corrections."""
    path = model / "calibration.json"
    whole = path.read_bytes()
    for damaged in (whole.replace(b"0.", b"9.", 1), whole[:-20], b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"calibration\.json: damaged or changed"):
            directory.load(model)
    path.unlink()
    with pytest.raises(ModelError, match=r"calibration\.json: missing"):
        directory.load(model)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"not json", b'{"levels": [0.1], "widening": "x"}'])
def test_corrections_of_another_form_are_refused(model: Path, content: bytes) -> None:
    """A traceback, or a calibration that is half read, where the digest is right and the content is not."""
    (model / "calibration.json").write_bytes(content)
    resign(model, "calibration.json")
    with pytest.raises(ModelError, match="calibration"):
        directory.load(model)


def test_a_model_without_corrections_loads(model: Path) -> None:
    """Models of an older tsforge refused for want of a file they never had."""
    manifest = json.loads((model / "manifest.json").read_text())
    del manifest["sha256"]["calibration.json"]
    (model / "manifest.json").write_text(json.dumps(manifest))
    assert directory.load(model).calibration is None  # a file that the manifest does not know is not read
    (model / "calibration.json").unlink()
    schema = json.loads((model / "schema.json").read_text())
    del schema["seen"]
    (model / "schema.json").write_text(json.dumps(schema))
    resign(model, "schema.json")
    loaded = directory.load(model)
    assert loaded.calibration is None
    assert loaded.facts.seen == {}
    assert len(tsforge.predict(loaded, pd.DataFrame({"t": range(60), "y": np.sin(np.arange(60))})).frame) == 4
    directory.save(loaded, model, lambda _: None)
    assert not (model / "calibration.json").exists()


def test_a_model_knows_what_it_has_seen() -> None:
    """A backtest of a fitted model on the very steps it was trained or calibrated on."""
    series = (("a", 0, 60), ("b", 25, 50))
    parts = [pd.DataFrame({"who": who, "t": range(t, t + n), "y": np.sin(np.arange(n))}) for who, t, n in series]
    settings = {"data.id": "who", "data.target": "y", "data.time": "t", "data.horizon": 4, "data.test": 9}
    fitted = tsforge.fit(tsforge.build(settings | {"model.kind": "naive"}), pd.concat(parts))
    assert fitted.model.facts.seen == {"a": 60 - 9, "b": 75 - 9}


@pytest.mark.parametrize("kind", ["linear", "nlinear", "patch-gru"])
def test_a_blend_whose_members_read_less_comes_back(kind: str, tmp_path: Path) -> None:
    """A saved blend that is refused as damaged: the matrix of a member is as wide as the context of that member."""
    data = pd.DataFrame({"t": range(160), "y": np.sin(np.arange(160))})
    members = [{"model": {"kind": kind}, "weight": 0.5, "context": 12}, {"model": {"kind": "theta"}, "weight": 0.5}]
    settings = {"data.horizon": 4, "data.context": 40, "train.max_steps": 2}
    fitted = tsforge.fit(
        tsforge.build(settings | {"model": {"kind": "blend", "members": members}}), data, out=tmp_path / "m"
    )
    np.testing.assert_array_equal(
        tsforge.predict(tmp_path / "m", data).point, tsforge.predict(fitted.model, data).point
    )
    again = tsforge.backtest(tmp_path / "m", data)
    np.testing.assert_allclose(again.outcomes["blend"].point, fitted.outcomes["blend"].point, rtol=1e-5)
