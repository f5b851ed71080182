"""The model directory: JSON and safetensors. Loading it never unpickles and never imports what a file names.

manifest.json       format, version of tsforge, sha256 of the files below
experiment.json     the resolved experiment (experiment.toml is the same, for `fit --config`)
schema.json         columns, frequency, encodings, and what to say about the training data
calibration.json    corrections of the intervals, where there are any
weights.safetensors
baselines.safetensors    the baselines that learned beside the model, for a backtest, where there are any
scores.json, history.csv, loss.png, forecast.png    for people; not read back
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from tsforge.batch import WindowShape
from tsforge.config import parse
from tsforge.errors import ConfigError, ModelError
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.forecasting import Baselines
from tsforge.experiment import Experiment
from tsforge.fitted import manifest
from tsforge.fitted.model import DataFacts, Model
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster


def save(model: Model, folder: Path, write_extras: Callable[[Path], None]) -> None:
    """Write a model directory in one move: a reader sees the old one or the new one, never half of one.

    write_extras: puts what else belongs there into the folder it is given.
    Raises ModelError when `folder` holds something that is no model, or cannot be written.
    """
    check_target(folder)
    for name, tensor in _state(model.network).items():
        if not tensor.isfinite().all():
            raise ModelError(
                f"{folder}: not saved: the weights '{name}' are not all numbers", "look at the data's size"
            )
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (draft / "weights.safetensors").write_bytes(to_bytes(_state(model.network)))
        manifest.write_json(draft / "experiment.json", model.experiment.plain())
        manifest.write_json(draft / "schema.json", model.facts.model_dump(mode="json"))
        (draft / "experiment.toml").write_text(model.experiment.toml(), encoding="utf-8")
        names = list(manifest.ALWAYS)
        if model.calibration is not None:
            (draft / manifest.CALIBRATION).write_text(model.calibration.model_dump_json() + "\n", encoding="utf-8")
            names.append(manifest.CALIBRATION)
        if model.baselines:
            (draft / manifest.BASELINES).write_bytes(_baselines_bytes(model.baselines))
            names.append(manifest.BASELINES)
        write_extras(draft)
        manifest.write(draft, names)
        draft.chmod(0o755)
        _replace(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def check_target(folder: Path) -> None:
    """Before a training: ModelError when `folder` exists and is not a model directory, or cannot be written there."""
    taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if taken and not (folder / manifest.NAME).is_file():
        raise ModelError(f"{folder}: exists and is not a model directory", "choose another `out`")
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=f".{folder.name}."):
            pass
    except OSError as problem:
        raise ModelError(f"{folder}: cannot be written: {problem.strerror}", "choose another `out`") from None


def load(folder: str | Path) -> Model:
    """Read a model directory; ModelError naming the file that is missing, damaged or from a newer version."""
    folder = Path(folder)
    files = manifest.check(folder).sha256
    try:
        experiment = parse(Experiment, manifest.read_json(folder / "experiment.json"), "experiment.json")
        facts = parse(DataFacts, manifest.read_json(folder / "schema.json"), "schema.json")
        network = experiment.network(facts.window_shape)
        weights = load_file(folder / "weights.safetensors")
        if bad := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
            raise ModelError(
                f"{folder}: the weights '{bad[0]}' are not all numbers", "fit again, or restore the folder"
            )
        network.load_state_dict(weights)
        calibration = None
        baselines: Baselines = {}
        if manifest.CALIBRATION in files:
            calibration = parse(Calibration, manifest.read_json(folder / manifest.CALIBRATION), manifest.CALIBRATION)
        if manifest.BASELINES in files:
            baselines = _read_baselines(folder / manifest.BASELINES, facts.window_shape)
    except (ConfigError, SafetensorError, RuntimeError, TypeError) as problem:
        raise ModelError(f"{folder}: cannot be loaded: {problem}", "fit again, or restore the folder") from None
    return Model(experiment, facts, network.eval(), calibration, baselines)


def _state(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    return {prefix + k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def _baselines_bytes(baselines: Baselines) -> bytes:
    """Their tensors as "kind.name", and in the header the corrections by kind as JSON."""
    tensors: dict[str, Tensor] = {}
    for kind, (network, _) in baselines.items():
        tensors |= _state(network, f"{kind}.")
    corrections = {kind: c.model_dump(mode="json") if c is not None else None for kind, (_, c) in baselines.items()}
    return to_bytes(tensors, {"corrections": json.dumps(corrections)})


def _read_baselines(path: Path, shape: WindowShape) -> Baselines:
    """The baselines of a model whose windows have a shape."""
    baselines: dict[str, tuple[BaselineForecaster, Calibration | None]] = {}
    with safe_open(path, framework="pt") as file:
        for kind, corrections in manifest.as_object((file.metadata() or {}).get("corrections", ""), path).items():
            config = parse(Baseline, {"kind": kind}, path.name)
            network = config.build(config.reading(shape))
            network.load_state_dict({name: file.get_tensor(f"{kind}.{name}") for name in network.state_dict()})
            baselines[kind] = network, parse(Calibration, corrections, path.name) if corrections is not None else None
    return baselines


def _replace(draft: Path, folder: Path) -> None:
    """Move the draft into place; an older model goes only once the new one is complete."""
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(old / "model")
        draft.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        draft.rename(folder)
