"""export: a fitted model to one file, with its description beside it, checked against `predict` before it is there."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from tsforge.data.catalog import find
from tsforge.data.mapped.building import first_rows
from tsforge.errors import ConfigError, DataError, ModelError, listing, nearest
from tsforge.exporting import checking, description, drawing, windows
from tsforge.exporting.checking import TOLERANCE, Run
from tsforge.exporting.portable import Portable
from tsforge.exporting.windows import Arrays
from tsforge.fitted import directory, prediction
from tsforge.fitted.model import Model
from tsforge.model.baselines.closed_form import STEADY, searching
from tsforge.model.heads import NegativeBinomialProjection
from tsforge.runtime import drafts, files, logs
from tsforge.runtime.timing import stage

Format = Literal["onnx", "pt2"]
ENDINGS = tuple(f".{form}" for form in get_args(Format))
KEY, EXTRA = "tsforge", "tsforge.json"  # of the description, inside ONNX and .pt2
DRAWN, REAL = 32, 64  # windows that a file is checked on: random ones, and at most so many of the table

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Exported:
    """A model as a file.

    path, sidecar: the file, and its description as JSON.
    levels: of the quantiles that it gives.
    drawn, real: windows that it was checked on, random ones and those of the table.
    deviation: the largest difference from `predict` on these, relative to the largest value of a window.
    description: as in the sidecar.
    """

    path: Path
    sidecar: Path
    format: Format
    levels: tuple[float, ...]
    drawn: int
    real: int
    deviation: float
    description: dict[str, Any]


def export(
    model: Model | str | Path, output: str | Path, *, form: str | None = None, data: Any = None,
    quantiles: Sequence[float] | None = None,
) -> Exported:  # fmt: skip
    """Write a model as one file: `tsforge.export` with a model or its directory."""
    path = Path(output)
    form = _form(form, path)
    files.check_path(path, ENDINGS)
    model = model if isinstance(model, Model) else directory.load(model)
    check(model)
    levels = prediction.wanted(model, quantiles)
    real = _real(model, data)
    panels = [drawing.windows(model, DRAWN, like=real)]
    if real is not None:
        panels.append(real)
    example = windows.arrays(model, panels[-1])
    described = description.describe(model, levels, example)
    with _beside(path) as folder:
        draft, sidecar = folder / path.name, folder / f"{path.name}.json"
        text = description.text(described)
        sidecar.write_text(text, encoding="utf-8")
        run = _write(_frozen(model, levels), _example(example), form, draft, text)
        deviation = _checked(model, levels, panels, run)
        draft.replace(path)
        beside = sidecar.replace(path.with_name(sidecar.name))
    count = 0 if real is None else len(real)
    return Exported(path, beside, form, levels, len(panels[0]), count, deviation, described)


def check(model: Model) -> None:
    """Raises ModelError for a model, or a part of one, whose steps depend on the values, so that it has no graph."""
    if never := searching(model.network):
        can = f"what can: networks, zero, linear, {', '.join(STEADY)}, and ensembles and blends of these"
        inside = "" if model.experiment.model.kind in never else f", which is a part of {model.experiment.model.kind},"
        raise ModelError(f"{listing(never)}{inside} cannot be exported: it searches anew in every window", can)
    if any(isinstance(part, NegativeBinomialProjection) for part in model.network.modules()):
        text = "the head negative-binomial cannot be exported: its quantiles come from a search that has no graph"
        raise ModelError(text, "what can: the heads tweedie, quantile and point")


def _form(form: str | None, path: Path) -> Format:
    """The format as given, or by the ending of the file; ConfigError where it is neither."""
    word = form or path.suffix.removeprefix(".")
    formats: tuple[Format, ...] = get_args(Format)
    for known in formats:
        if word == known:
            if path.suffix != f".{known}":
                raise ConfigError(f"{path}: a file of format {known} ends in .{known}", f"name it {path.stem}.{known}")
            _installed(known)
            return known
    what = f"there is no format '{word}'" if word else f"{path}: the file has no ending"
    raise ConfigError(what, nearest(word, get_args(Format)) or "the formats are onnx and pt2")


def _installed(form: Format) -> None:
    """Raises ConfigError where packages that ONNX needs are missing."""
    from importlib.util import find_spec

    missing = [name for name in ("onnxscript", "onnxruntime") if form == "onnx" and find_spec(name) is None]
    if missing:
        raise ConfigError(f"ONNX needs {listing(missing)}", "pip install '.[onnx]' in a checkout, or the format pt2")


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder beside a file. Raises ConfigError where neither can be written."""
    try:
        with drafts.beside(path) as folder:
            yield folder
    except OSError as problem:
        text = f"{path}: cannot be written: {problem.strerror or problem}"
        raise ConfigError(text, "make room, or name another file") from None


def _real(model: Model, data: Any) -> Any:
    """Windows of a table, or of the training data; None where that is not at hand."""
    H = model.shape.horizon
    try:
        source = data if data is not None else prediction.training_data(model)
        source = find(source) if isinstance(source, str) else source
        panel = prediction.read(model, first_rows(source, model.experiment.data), H)
    except (ModelError, DataError) as problem:
        if data is not None:
            raise
        log.warning("checked on random windows alone: %s", problem)
        return None
    found = windows.newest(panel, (model.shape.context, H), REAL)
    return found if len(found) else None


def _frozen(model: Model, levels: Sequence[float]) -> Portable:
    """What is traced, with weights that are no parameters to train any more; the model stays as it is."""
    portable = Portable(replace(model, network=copy.deepcopy(model.network)), levels)
    return portable.eval().requires_grad_(False)


def _example(inputs: Arrays) -> Arrays:
    """Two windows at least: a batch of one would be traced as a constant."""
    return {name: np.concatenate([array, array])[: max(2, len(array))] for name, array in inputs.items()}


@stage("exporting")
def _write(portable: Portable, example: Arrays, form: Format, path: Path, text: str) -> Run:
    """Trace, write, and read the file again: what runs it."""
    inputs = {name: torch.from_numpy(array) for name, array in example.items()}
    batch = torch.export.Dim("batch", min=1)
    sizes = {name: {0: batch} for name in inputs}
    with _quiet(), torch.no_grad():
        traced = torch.export.export(portable, (), inputs, dynamic_shapes=sizes, strict=False)
        if form == "pt2":
            torch.export.save(traced, path, extra_files={EXTRA: text})
            return program(path)
        outputs = ["point", "quantiles"][: 1 if portable.corrected is None else 2]
        converted: Any = torch.onnx.export(
            traced, (), kwargs=inputs, dynamo=True, verbose=False, output_names=outputs, optimize=True
        )
        converted.model.metadata_props[KEY] = text
        converted.save(path)
    return session(path)


def program(path: Path) -> Run:
    """What runs a .pt2 file."""
    module = torch.export.load(path).module()

    def run(inputs: Arrays) -> list[np.ndarray]:
        with torch.no_grad():
            return [part.numpy() for part in module(**{name: torch.from_numpy(a) for name, a in inputs.items()})]

    return run


def session(path: Path) -> Run:
    """What runs an ONNX file, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    runtime = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(inputs: Arrays) -> list[np.ndarray]:
        return list(runtime.run(None, inputs))

    return run


def _checked(model: Model, levels: tuple[float, ...], panels: Sequence[Any], run: Run) -> float:
    """The largest deviation over some panels; ModelError where it is not that of rounding."""
    largest = 0.0
    for panel in panels:
        found = checking.deviation(model, levels, panel, run)
        if not found <= TOLERANCE:
            raise ModelError(
                f"not exported: over {panel.name} the file answers otherwise than predict, by {found:.2g} of the size "
                f"of a window, more than {TOLERANCE:g}",
                "try the other format, pt2 or onnx; and report this with the model's experiment.toml",
            )
        largest = max(largest, found)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of packages that it lacks and of functions of its own that it is to leave."""
    with logs.errors_alone("torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
