"""The model directory: JSON and safetensors. Loading it never unpickles and never imports what a file names.

manifest.json       format, version of tsforge, sha256 of the files below
experiment.json     the resolved experiment (experiment.toml is the same, for `fit --config`)
schema.json         columns, frequency, encodings, and what to say about the training data
calibration.json    corrections of the intervals, where there are any
weights.safetensors
baselines.safetensors    the baselines that learned beside the model, for a backtest, where there are any
dependence.safetensors   how errors of steps, targets and series hang together, for sample paths, where it is known
scores.json, history.csv, loss.png, forecast.png    for people; not read back
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tsforge.config import parse
from tsforge.errors import ConfigError, ModelError
from tsforge.evaluation.forecasting import Baselines
from tsforge.experiment import Experiment
from tsforge.fitted import correlations, manifest, weights
from tsforge.fitted.model import DataFacts, Model
from tsforge.runtime import drafts, plugins
from tsforge.runtime.timing import stage


def save(model: Model, folder: Path, write_extras: Callable[[Path], None]) -> None:
    """Write a model directory in one move: a reader sees the old one or the new one, never half of one.

    write_extras: puts what else belongs there into the folder it is given.
    Raises ModelError when `folder` holds something that is no model, or cannot be written.
    """
    check_target(folder)
    networks = (model.network, *(network for network, _ in model.baselines.values()))
    for network in networks:
        weights.check(network, f"{folder}: not saved", "look at the size of the data's values, or lower train.lr")
    with drafts.beside(folder) as draft:
        weights.save(model.network, draft / manifest.WEIGHTS)
        manifest.write_json(draft / "experiment.json", model.experiment.plain())
        manifest.write_json(draft / "schema.json", model.facts.model_dump(mode="json"))
        (draft / "experiment.toml").write_text(model.experiment.toml(), encoding="utf-8")
        names = list(manifest.ALWAYS)
        if model.calibration is not None:
            (draft / manifest.CALIBRATION).write_text(model.calibration.model_dump_json() + "\n", encoding="utf-8")
            names.append(manifest.CALIBRATION)
        if model.baselines:
            weights.save_baselines(model.baselines, draft / manifest.BASELINES)
            names.append(manifest.BASELINES)
        if model.dependence is not None:
            correlations.save(model.dependence, draft / manifest.DEPENDENCE)
            names.append(manifest.DEPENDENCE)
        write_extras(draft)
        manifest.write(draft, names)
        drafts.put(draft, folder)


def check_target(folder: Path) -> None:
    """Before a training: ModelError when `folder` exists and is not a model directory, or cannot be written there."""
    taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if taken and not (folder / manifest.NAME).is_file():
        raise ModelError(f"{folder}: exists and is not a model directory", "choose another `out`")
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with drafts.beside(folder):
            pass
    except OSError as problem:
        raise ModelError(f"{folder}: cannot be written: {problem.strerror}", "choose another `out`") from None


@stage("loading")
def load(folder: str | Path) -> Model:
    """Read a model directory; ModelError naming the file that is missing, damaged or from a newer version."""
    folder = Path(folder)
    files = manifest.read(folder).sha256

    def digest(path: Path) -> None:
        manifest.check_digest(path, files.get(path.name))

    try:
        for name in (name for name in files if name in manifest.TEXTS):
            digest(folder / name)
        experiment = parse(Experiment, manifest.read_json(folder / "experiment.json"), "experiment.json")
        facts = parse(DataFacts, manifest.read_json(folder / "schema.json"), "schema.json")
        facts.check(experiment.data)
        shape, levels = facts.window_shape, experiment.model.levels
        calibration = None
        if manifest.CALIBRATION in files:
            values = manifest.read_json(folder / manifest.CALIBRATION)
            calibration = weights.calibration(values, manifest.CALIBRATION, shape, levels)
        network = weights.load(folder / manifest.WEIGHTS, experiment, shape, digest)
        baselines: Baselines = {}
        if manifest.BASELINES in files:
            cycles = tuple(facts.columns.frequency.seasons())
            baselines = weights.load_baselines(folder / manifest.BASELINES, shape, cycles, digest)
        dependence = None
        if manifest.DEPENDENCE in files:
            dependence = correlations.load(folder / manifest.DEPENDENCE, shape, digest)
    except plugins.UnknownError as problem:
        what = f"{folder}: needs the {problem.kind} '{problem.name}', which is not registered here"
        raise ModelError(what, f"register it before, by {plugins.HOW}") from None
    except ConfigError as problem:
        raise ModelError(f"{folder}: cannot be loaded: {problem}", "fit again, or restore the folder") from None
    return Model(experiment, facts, network, calibration, baselines, dependence)
