"""Weights that a training begins with: those of the package for a pretrained network, or those of a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tsforge.config import Config, flattened
from tsforge.errors import ModelError, listing
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.model.ensemble import Blend, Ensemble
from tsforge.model.zero.network import Zero

WEIGHTS = Path(__file__).parents[1] / "weights"  # a model directory for each pretrained network
OF_THE_TABLE = "response."  # how tensors begin that are fitted to a table beside the weights
ANYWAY = ("bounds",)  # settings of a model that its weights do not depend on
SIZES = {"context": "data.context", "horizon": "data.horizon", "season": "data.season"}  # that a setting decides


def folder(experiment: Experiment) -> Path | None:
    """Where the weights lie that an experiment begins with; None for random ones."""
    if experiment.train.start is not None:
        return Path(experiment.train.start)
    return WEIGHTS / experiment.model.kind if isinstance(experiment.model, Zero) else None


@torch.no_grad()
def begin(network: nn.Module, experiment: Experiment, sizes: dict[str, Any]) -> None:
    """Give a network the weights that its experiment begins with, if it begins with any.

    sizes: of the windows that the network is built for, as `WindowShape` names them.
    Raises ModelError, naming what differs, where the weights are of another architecture, or of other sizes.
    """
    place = folder(experiment)
    if place is None:
        return
    model = directory.load(place)
    config, trained = _part(model, experiment.train.start_member, place)
    _check_settings(config, experiment, place)
    there, here = (_learned(part) for part in (trained, network))
    if {k: v.shape for k, v in there.items()} != {k: v.shape for k, v in here.items()}:
        raise _of_other_sizes(model, sizes, place)
    hand_over(trained, network)


def _part(model: Model, number: int | None, place: Path) -> tuple[Config, nn.Module]:
    """The settings and the network of one member of a model, counted from 1; of a model without members its own."""
    config, network = model.experiment.model, model.network
    if not isinstance(network, Ensemble):
        return config, network
    count = len(network.members)
    if number is None:
        hint = f"name one of its {count}, as train.start_member=1; or the folder of another model"
        raise ModelError(f"{place}: holds several networks, a training begins with one", hint)
    if number > count:
        raise ModelError(f"{place}: holds {count} networks and no {number}th", "give no larger train.start_member")
    own = config.members[number - 1].model if isinstance(config, Blend) else config
    return own, network.members[number - 1]


def hand_over(there: nn.Module, here: nn.Module) -> None:
    """Give a network the weights of another; the effect of covariates stays that of its own table."""
    here.load_state_dict(here.state_dict() | _learned(there))


def _learned(network: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network without what is estimated from each table anew."""
    return {name: value for name, value in network.state_dict().items() if not name.startswith(OF_THE_TABLE)}


def _check_settings(there: Config, experiment: Experiment, place: Path) -> None:
    here = experiment.model
    settings, asked = (flattened(config.model_dump(mode="json")) for config in (there, here))
    for name in ("kind", *settings, *asked):
        if name not in ANYWAY and settings.get(name) != asked.get(name):
            given, wanted = settings.get(name, "not there"), asked.get(name, "not there")
            hint = f"give model.{name}={given}, or other weights as train.start" if name in settings else "leave it out"
            raise ModelError(f"{place}: holds weights of another model: model.{name} is {given}, not {wanted}", hint)


def _of_other_sizes(model: Model, sizes: dict[str, Any], place: Path) -> ModelError:
    """What to say of weights that are of other windows."""
    own = model.shape._asdict()
    differing = [name for name, size in sizes.items() if own[name] != size]
    words = listing([f"{name} {own[name]}, not {sizes[name]}" for name in differing])
    settable = [f"{SIZES[name]}={own[name]}" for name in differing if name in SIZES]
    hint = f"give {' '.join(settable)}" if settable else "name a model of a table with the same columns and frequency"
    return ModelError(f"{place}: its weights are of windows of other sizes: {words}", hint)
