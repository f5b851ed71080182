"""Model directories that were made to harm, under digests that are right: refused by name, before they cost anything.

Each test loads in a process whose memory is bounded, so that a size that is believed fails here and not the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import tsforge
from tsforge.errors import ModelError
from tsforge.fitted import directory, manifest

ROOM = 3_000_000_000  # bytes that a load may take beyond what this process has


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of one network, one of three, and a blend, on two series with a covariate."""
    folder = tmp_path_factory.mktemp("crafted")
    data = pd.DataFrame({"t": [*range(60)] * 2, "shop": ["a"] * 60 + ["b"] * 60, "y": np.sin(np.arange(120.0))})
    data["price"] = np.cos(np.arange(120.0))
    members = [{"model": {"kind": "rnn", "width": 4}}, {"model": "seasonal-naive"}]
    kinds: dict[str, dict[str, Any]] = {
        "one": {"model.kind": "gru", "model.width": 4},
        "three": {"model.kind": "min-gru", "model.width": 4, "ensemble": 3},
        "blend": {"model.kind": "blend", "model.members": members},
    }
    common = {"data.horizon": 4, "data.context": 12, "data.id": "shop", "data.target": "y", "data.future": "price"}
    for name, settings in kinds.items():
        tsforge.fit(tsforge.build(common | settings | {"train.max_steps": 1}), data, out=folder / name)
    return {name: folder / name for name in kinds}


@pytest.fixture
def model(fitted: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted["one"], tmp_path / "model"))


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Memory that a size believed in would exceed: a MemoryError instead of a machine that swaps."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def sign(folder: Path) -> None:
    """A manifest that agrees with the files as they are, as an attacker would write it."""
    content = json.loads((folder / "manifest.json").read_text())
    content["sha256"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in content["sha256"]}
    (folder / "manifest.json").write_text(json.dumps(content))


def edit(folder: Path, name: str, path: str, value: Any) -> None:
    """Set one value in a JSON file of the folder, by its dotted path."""
    content = json.loads((folder / name).read_text())
    *parents, last = path.split(".")
    inner = content
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    inner[int(last) if isinstance(inner, list) else last] = value
    (folder / name).write_text(json.dumps(content))
    sign(folder)


def change(folder: Path, file: str, name: str, by: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change one tensor of a file of weights."""
    path = folder / file
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    tensors = load_file(path)
    tensors[name] = by(tensors[name]).contiguous()
    save_file(tensors, path, header.get("__metadata__"))
    sign(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e30, -3e38, 1e9])
@pytest.mark.parametrize("name", ["head.out.weight", "backbone.encoder.weight_hh_l0", "gate"])
def test_weights_that_no_training_leads_to(model: Path, value: float, name: str) -> None:
    """NaN or numbers without meaning forecast with exit code 0."""

    def first(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[0] = value
        return tensor

    change(model, "weights.safetensors", name, first)
    with pytest.raises(ModelError, match=f"'{name}'"):
        directory.load(model)


@pytest.mark.parametrize(("name", "value"), [
    ("linear.ridge.weight", 1e30), ("naive.errors", 1e30), ("drift.errors", float("nan")),
    ("naive.scaler.centre", float("inf")),
])  # fmt: skip
def test_baselines_that_no_training_leads_to(model: Path, name: str, value: float) -> None:
    """Scores beside baselines that are no numbers."""
    change(model, "baselines.safetensors", name, lambda tensor: torch.full_like(tensor, value))
    with pytest.raises(ModelError, match=r"baselines\.safetensors"):
        directory.load(model)


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.int64, torch.bool]
)
def test_weights_of_another_type(model: Path, dtype: torch.dtype) -> None:
    """Weights that are cast in silence: an int8 weight is 0 nearly everywhere."""
    change(model, "weights.safetensors", "head.out.weight", lambda tensor: tensor.to(dtype))
    with pytest.raises(ModelError, match=r"'head\.out\.weight' is F32 of 11 × 4, but"):
        directory.load(model)


def test_weights_of_another_network(model: Path) -> None:
    """Tensors that are transposed, missing or of no use."""
    whole = (model / "weights.safetensors").read_bytes()
    change(model, "weights.safetensors", "head.out.weight", lambda tensor: tensor.T)
    with pytest.raises(ModelError, match="11 × 4, but it is F32 of 4 × 11"):
        directory.load(model)
    for extra in ("more", "gate"):
        (model / "weights.safetensors").write_bytes(whole)
        tensors = load_file(model / "weights.safetensors")
        tensors = (
            tensors | {"more": torch.zeros(1)} if extra == "more" else {k: v for k, v in tensors.items() if k != "gate"}
        )
        save_file(tensors, model / "weights.safetensors")
        sign(model)
        with pytest.raises(ModelError, match=f"'{extra}'"):
            directory.load(model)


@pytest.mark.parametrize(("path", "value"), [
    ("model.backbone.layers", 100_000), ("model.backbone.layers", 100), ("model.width", 16_000),
    ("model.width", 10**9), ("ensemble", 10**9), ("ensemble", 1000), ("data.context", 10**7),
    ("data.context", 100_000), ("data.horizon", 10**8), ("data.horizon", 100_000), ("model.cycle", 10**9),
    ("model.cycle", 1_000_000), ("seed", 2**64), ("train.max_steps", 10**30),
])  # fmt: skip
def test_settings_that_are_not_those_of_the_weights(model: Path, path: str, value: int) -> None:
    """A network of any size built, or memory filled, before anything is compared with the weights."""
    edit(model, "experiment.json", path, value)
    with pytest.raises(ModelError, match=r"experiment\.json|schema\.json|weights\.safetensors"):
        directory.load(model)


@pytest.mark.parametrize(("path", "value"), [
    ("shape.context", 10**7), ("shape.context", 100_000), ("shape.horizon", 10**9), ("shape.targets", 10**9),
    ("shape.targets", 10**6), ("shape.past", 10**6), ("shape.known", 10**9), ("shape.static", 10**6),
    ("shape.season", -3), ("shape.season", 0), ("shape.season", 10**12), ("shape.lags", [-1]), ("shape.lags", [0]),
    ("shape.lags", [1, 10**12]), ("shape.lags", list(range(1, 100_000))), ("shape.more", 1),
    ("columns.frequency.step", 0), ("columns.frequency.step", -1), ("columns.frequency.step", 10**40),
    ("columns.target", ["y"] * 10_000), ("encodings.future.0.std", 0), ("encodings.future.0.name", "other"),
    ("encodings.cycles", ["age"]),
])  # fmt: skip
def test_sizes_that_are_not_those_of_the_weights(model: Path, path: str, value: Any) -> None:
    """An IndexError at the first forecast, or a size that is believed."""
    edit(model, "schema.json", path, value)
    with pytest.raises(ModelError):
        directory.load(model)


@pytest.mark.parametrize(("name", "path", "value"), [
    ("three", "ensemble", 2), ("three", "ensemble", 4), ("three", "ensemble", 1000), ("three", "ensemble", 1),
    ("blend", "model.members.0.model.width", 16_000), ("blend", "model.members.0.model.backbone.layers", 100),
    ("blend", "model.members.1.model.kind", "linear"), ("blend", "model.members", []),
])  # fmt: skip
def test_members_that_are_not_those_of_the_weights(
    fitted: dict[str, Path], tmp_path: Path, name: str, path: str, value: Any
) -> None:
    """Members without weights, or weights without a member."""
    folder = Path(shutil.copytree(fitted[name], tmp_path / name))
    assert directory.load(folder).experiment.title
    edit(folder, "experiment.json", path, value)
    with pytest.raises(ModelError):
        directory.load(folder)


@pytest.mark.parametrize("name", ["experiment.json", "schema.json", "calibration.json", "manifest.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "[" * 5000 + "]" * 5000, "1" * 10_000])
def test_json_nested_deeply(model: Path, name: str, content: str) -> None:
    """A RecursionError, which is nobody's error."""
    (model / name).write_text(content)
    if name != "manifest.json":
        sign(model)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        directory.load(model)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
@pytest.mark.parametrize(("name", "before"), [("calibration.json", '"unit":[['), ("schema.json", '"std": ')])
def test_numbers_that_are_none(model: Path, name: str, before: str, number: str) -> None:
    """Python's JSON knows words for what is no number: intervals that are NaN, a covariate that is infinite."""
    path = model / name
    head, _, tail = path.read_text().partition(before)
    assert tail
    rest = tail.lstrip("-0123456789.e")
    path.write_text(f"{head}{before}{number}{rest}")
    sign(model)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        directory.load(model)


@pytest.mark.parametrize("size", [6 * 10**9, 30 * 10**9, 10**12])
@pytest.mark.parametrize("name", ["weights.safetensors", "baselines.safetensors", "schema.json", "manifest.json"])
def test_a_sparse_file_is_refused_unread(model: Path, name: str, size: int) -> None:
    """A hang, or a MemoryError: a file that takes no place on the disk and all of the memory."""
    with (model / name).open("r+b") as file:
        file.truncate(size)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        directory.load(model)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        manifest.check(model)


@pytest.mark.parametrize("size", [6 * 10**9, 15 * 10**9])
def test_a_sparse_file_with_a_header_that_agrees(model: Path, size: int) -> None:
    """Sizes that agree with each other are still not those of the settings."""
    entry = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    header = json.dumps({"gate": entry}).encode()
    path = model / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with path.open("r+b") as file:
        file.truncate(8 + len(header) + size)
    with pytest.raises(ModelError, match="by the settings"):
        directory.load(model)


@pytest.mark.parametrize(("path", "value"), [
    ("levels", [0.1, 0.9]), ("levels", []), ("levels", [0.9, 0.1]), ("levels", [-1.0, 2.0]), ("widening", []),
    ("widening", [[[1.0]]]), ("unit", []), ("unit", [[]]), ("unit", [[1.0, 2.0]] * 4), ("windows", -1),
    ("widening.0.0.0", 1e30),
])  # fmt: skip
def test_corrections_of_another_model(model: Path, path: str, value: Any) -> None:
    """An IndexError, or intervals that are corrected by those of other steps."""
    edit(model, "calibration.json", path, value)
    with pytest.raises(ModelError, match="calibration"):
        directory.load(model)
