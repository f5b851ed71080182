"""What tensors a network would have: as torch says without memory, and without its compiler."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from tests.helpers.draw import SHAPE
from tsforge.fitted import outline
from tsforge.model.zoo import ZOO
from tsforge.settings import build

SHAPES = (SHAPE._replace(context=60), SHAPE._replace(context=60, targets=1, past=0, known=0, static=0, lags=()))
CODE = """
import sys
from tests.fitted.test_outline import SHAPES, configs
from tsforge.fitted import outline
for kind, config in configs():
    for shape in SHAPES:
        outline.laid_out(lambda: config.build(shape))
    assert "torch._dynamo" not in sys.modules and "sympy" not in sys.modules, kind
"""


def configs() -> list[tuple[str, object]]:
    """Every named model that is built of settings alone."""
    return [(kind, build({"model.kind": kind}).model) for kind in ZOO]


def outline_of(network: nn.Module) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ZOO)
def test_as_without_memory(kind: str, shape: object) -> None:
    """Weights compared with another network than the settings ask for."""
    config = build({"model.kind": kind}).model
    with torch.device("meta"):
        expected = config.build(shape)
    assert outline_of(outline.laid_out(lambda: config.build(shape))) == outline_of(expected)


def test_small_networks_need_no_compiler() -> None:
    """A second of imports for every forecast: torch's compiler, which its meta device asks for."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("make", [
    lambda: nn.Linear(10**9, 10**9), lambda: nn.LSTM(10**7, 10**5), lambda: nn.Embedding(10**12, 3),
    lambda: nn.Sequential(*(nn.Linear(2000, 2000) for _ in range(10**3))),
])  # fmt: skip
def test_large_networks_have_no_memory(make: object) -> None:
    """Memory filled by a size that is believed."""
    network = outline.laid_out(make)
    assert all(parameter.is_meta for parameter in network.parameters())


@pytest.mark.parametrize("size", [
    lambda: torch.zeros(10**13), lambda: torch.zeros((10**7, 10**6)), lambda: torch.empty(size=(10**13,)),
    lambda: torch.full((10**7, 10**6), float("inf")), lambda: torch.arange(10**13), lambda: torch.arange(0.0, 1e13),
    lambda: torch.randn(10**7, 10**6), lambda: torch.randn([10**7, 10**6]), lambda: torch.linspace(0, 1, 10**13),
    lambda: torch.ones(torch.Size([10**13])),
])  # fmt: skip
def test_sizes_however_they_are_given(size: object) -> None:
    """One way to ask for numbers that is not counted."""

    def network() -> nn.Module:
        made = nn.Module()
        made.register_buffer("table", size())
        return made

    assert outline.laid_out(network).table.is_meta


def test_nobody_else_draws_other_numbers() -> None:
    """Loading a model in the middle of somebody's simulation would change what comes after it."""
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    outline.laid_out(lambda: nn.Linear(5, 5))
    assert torch.equal(torch.rand(4), expected)


def test_an_error_of_the_settings_stays_one() -> None:
    """What a constructor refuses taken for a large network."""
    with pytest.raises(AssertionError, match="divisible"):
        outline.laid_out(lambda: nn.MultiheadAttention(10, 3))
