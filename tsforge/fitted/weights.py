"""The weights of a model as safetensors. Reading compares the file with the settings first, and builds nothing before.

What a network would hold is found by building it, a large one without memory (`outline`): names, sizes and types of all
its tensors, to be the same as in the header of the file. Settings that ask for more than the file holds are refused
before they cost anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from tsforge.batch import WindowShape
from tsforge.config import Config, parse
from tsforge.data.schema import Steps
from tsforge.errors import ConfigError, ModelError
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.forecasting import Baselines
from tsforge.experiment import Experiment
from tsforge.fitted import manifest
from tsforge.fitted.outline import laid_out
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.ensemble import Blend

LEARNED, ESTIMATED, MEASURED = 1e6, 1e15, 1e37  # the largest size of a weight, of a buffer, of one in units of the data
BUFFERS = 2**28  # numbers that a network may lay out beside its weights, as positions of tokens
_TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}
_REPAIR = "fit again, or restore the folder"

Part = tuple[str, Callable[[], nn.Module]]  # what the names of its tensors begin with, and what builds it


class Stored(Config):
    """What is kept of a baseline beside its tensors: the steps that it reads, and the corrections of its intervals."""

    context: Steps | None = None
    corrections: dict[str, Any] | None = None


def save(network: nn.Module, path: Path) -> None:
    """Write the weights of a network."""
    path.write_bytes(to_bytes(_state(network)))


def check(network: nn.Module, where: str, hint: str = _REPAIR) -> None:
    """Raises ModelError for weights that are no numbers, or so large that no training leads there."""
    learned = {name for name, _ in network.named_parameters()}
    for name, tensor in network.state_dict().items():
        if not tensor.isfinite().all():
            raise ModelError(f"{where}: the weights '{name}' are not all numbers", hint)
        measured = "scaler." in name
        most = LEARNED if name in learned or name.endswith("ridge.weight") else MEASURED if measured else ESTIMATED
        size = float(tensor.abs().max()) if tensor.numel() else 0.0
        if size > most:
            raise ModelError(f"{where}: the weights '{name}' reach {size:.3g} in size, beyond {most:g}", hint)


def load(path: Path, experiment: Experiment, shape: WindowShape, digest: Callable[[Path], None]) -> nn.Module:
    """The network of an experiment with the weights of a file.

    digest: called with the path once the file is known to be no larger than the settings say, and before it is read.
    Raises ModelError where the file is not of this network.
    """
    try:
        _compare(path, manifest.header(path), _parts(experiment, shape))
        digest(path)
        network = experiment.network(shape)
        with safe_open(path, framework="pt") as file:
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (ConfigError, OSError, SafetensorError, ArithmeticError, RuntimeError, TypeError, ValueError) as problem:
        raise ModelError(f"{path}: cannot be loaded: {problem}", _REPAIR) from None
    check(network, str(path))
    return network.eval()


def save_baselines(baselines: Baselines, path: Path) -> None:
    """Write their tensors as "kind.name", and in the header context and corrections by kind as JSON."""
    tensors: dict[str, Tensor] = {}
    facts: dict[str, Any] = {}
    for kind, (network, corrections) in baselines.items():
        tensors |= _state(network, f"{kind}.")
        plain = corrections.model_dump(mode="json") if corrections is not None else None
        facts[kind] = Stored(context=network.shape.context, corrections=plain).model_dump()
    path.write_bytes(to_bytes(tensors, {"baselines": json.dumps(facts)}))  # one text: the order of several is random


def load_baselines(
    path: Path, shape: WindowShape, cycles: tuple[int, ...], digest: Callable[[Path], None]
) -> Baselines:
    """The baselines of a model whose windows have a shape. cycles: of the calendar, in steps; digest: as in `load`."""
    baselines: dict[str, tuple[BaselineForecaster, Calibration | None]] = {}
    try:
        header = manifest.header(path)
        stored = _stored(header, path)
        builders = {kind: _reader(kind, facts.context, shape, cycles) for kind, facts in stored.items()}
        _compare(path, header, [(f"{kind}.", build) for kind, build in builders.items()])
        digest(path)
        with safe_open(path, framework="pt") as file:
            for kind, facts in stored.items():
                network = builders[kind]()
                network.load_state_dict({name: file.get_tensor(f"{kind}.{name}") for name in network.state_dict()})
                check(network, f"{path}, {kind}")
                baselines[kind] = network, calibration(facts.corrections, path.name, shape, network.levels)
    except (ConfigError, OSError, SafetensorError, ArithmeticError, RuntimeError, TypeError, ValueError) as problem:
        raise ModelError(f"{path}: cannot be loaded: {problem}", _REPAIR) from None
    return baselines


def _stored(header: manifest.Tensors, path: Path) -> dict[str, Stored]:
    """What is kept of each baseline; an older file has corrections alone."""
    if "baselines" in header.texts:
        facts = manifest.as_object(header.texts["baselines"], path)
    else:
        corrections = manifest.as_object(header.texts.get("corrections", ""), path)
        facts = {kind: {"corrections": values} for kind, values in corrections.items()}
    return {kind: parse(Stored, values, path.name) for kind, values in facts.items()}


def _reader(
    kind: str, context: int | None, shape: WindowShape, cycles: tuple[int, ...]
) -> Callable[[], BaselineForecaster]:
    """What builds a baseline for so many steps of context; for all that it can read where that was not stored."""
    config = parse(Baseline, {"kind": kind}, manifest.BASELINES)
    widest = config.reading(shape, cycles)
    if context is None:
        return lambda: config.build(widest)
    if context > widest.context:
        raise ModelError(f"{kind} reads {widest.context} steps at most, not {context}", _REPAIR)
    return lambda: config.build(widest.with_context(context, cycles))


def calibration(values: Any, source: str, shape: WindowShape, levels: tuple[float, ...]) -> Calibration | None:
    """Corrections as stored, None where there are none; ModelError where they are of another model.

    levels: of the model, empty for one that forecasts single values.
    """
    if values is None:
        return None
    corrections = parse(Calibration, values, source)
    if (len(corrections.unit), len(corrections.unit[0])) != (shape.horizon, shape.targets):
        raise ModelError(f"{source}: the corrections are of another horizon or of other targets", _REPAIR)
    if levels and corrections.levels != levels:
        raise ModelError(f"{source}: the corrections are of other quantile levels than the model's", _REPAIR)
    return corrections


def _state(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    return {prefix + k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def _builder(config: Any, shape: WindowShape) -> Callable[[], nn.Module]:
    return lambda: config.build(shape)


def _parts(experiment: Experiment, shape: WindowShape) -> list[Part]:
    """The networks of an experiment; members that are alike share what builds them."""
    model = experiment.model
    if isinstance(model, Blend):
        builders = [_builder(member.model, shape.narrowed(member.context)) for member in model.members]
    elif experiment.ensemble > 1:
        builders = [_builder(model, shape)] * experiment.ensemble
    else:
        return [("", _builder(model, shape))]
    return [(f"members.{i}.", build) for i, build in enumerate(builders)]


def _compare(path: Path, header: manifest.Tensors, parts: Iterable[Part]) -> None:
    """Raises ModelError at the first tensor that a file has and the networks do not, or the other way about."""
    actual = dict(header.sizes)
    for name, expected in _expected(parts):
        given = actual.pop(name, None)
        if given != expected:
            there = "it is missing" if given is None else f"it is {_words(given)}"
            raise ModelError(f"{path}: by the settings '{name}' is {_words(expected)}, but {there}", _REPAIR)
    if actual:
        raise ModelError(f"{path}: by the settings there is no '{next(iter(actual))}'", _REPAIR)


def _expected(parts: Iterable[Part]) -> Iterator[tuple[str, tuple[str, tuple[int, ...]]]]:
    """Name, type and size of each tensor, network by network, so that the first that is wrong ends the search."""
    before, state = None, {}
    for prefix, build in parts:
        if build is not before:
            network = laid_out(build)
            if sum(buffer.numel() for buffer in network.buffers()) > BUFFERS:
                raise ModelError("the settings ask for a network of an impossible size", _REPAIR)
            before, state = build, {k: (_TYPES[v.dtype], tuple(v.shape)) for k, v in network.state_dict().items()}
        for name, expected in state.items():
            yield prefix + name, expected


def _words(tensor: tuple[str, tuple[int, ...]]) -> str:
    """A type and a size, as "F32 of 24 × 8"."""
    kind, shape = tensor
    return f"{kind} of {' × '.join(map(str, shape))}" if shape else f"one {kind}"
