"""What only a machine with CUDA can show: `make test-gpu`. Elsewhere the tests are skipped, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tsforge.data.loader import WindowLoader
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.model.zoo import ZOO, complete
from tsforge.training import single
from tsforge.training.fitting import prepare

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is available on this machine"),
]
NETWORKS = [kind for kind, row in ZOO.items() if "backbone" in row]


def table() -> pd.DataFrame:
    """Two series of a week and a half of hours."""
    hours = np.arange(256)
    waves = [10 + i + np.sin(2 * np.pi * hours / 24 + i) for i in range(2)]
    times = pd.date_range("2024-01-01", periods=len(hours), freq="h")
    parts = [pd.DataFrame({"id": f"s{i}", "time": times, "y": wave}) for i, wave in enumerate(waves)]
    return pd.concat(parts, ignore_index=True)


def experiment(kind: str, device: str, **more: Any) -> Experiment:
    values = {
        "data.id": "id", "data.time": "time", "data.target": "y", "data.horizon": 12, "data.context": 48,
        "data.season": 24, "model.kind": kind, "train.device": device, "train.max_steps": 5, "train.validations": 1,
        "train.batch_size": 16, "seed": 3,
    }  # fmt: skip
    return tsforge.build(values | more)


def loss_and_gradients(kind: str, device: str, **more: Any) -> tuple[float, dict[str, torch.Tensor]]:
    """Of the first batch, of the first weights, in evaluation so that nothing is dropped."""
    asked = experiment(kind, device, **more)
    dataset = prepare(asked, table())
    asked = asked.on(dataset.config, dataset.sizes.narrow)
    network = single.untrained(asked, dataset).to(device)
    batch = next(iter(WindowLoader(dataset.source, dataset.parts.train, 16, seed=1)))
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.backends.cudnn.flags(allow_tf32=False):
        loss = network.train()(batch.context).loss(batch.truth)
        loss.backward()
    return float(loss.detach()), {name: p.grad.cpu() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_step_is_the_same_on_the_gpu(kind: str) -> None:
    """Prevents: a kernel of the device that computes something else, or a constant left on the host."""
    model = complete(kind)
    more: dict[str, Any] = {}
    if "dropout" in model.get("backbone", {}):
        more["model.backbone.dropout"] = 0.0
    if "dropout" in model.get("tokens", {}):
        more["model.tokens.dropout"] = 0.0
    host, device = (loss_and_gradients(kind, where, **more) for where in ("cpu", "cuda"))
    assert device[0] == pytest.approx(host[0], rel=1e-4)
    assert device[1].keys() == host[1].keys()
    for name, gradient in host[1].items():
        torch.testing.assert_close(
            device[1][name], gradient, rtol=1e-2, atol=1e-4, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("kind", ["lstm", "transformer-encoder", "nlinear"])
def test_windows_lie_on_the_device(kind: str) -> None:
    """Prevents: a table in the host's memory, from which every batch would be copied."""
    dataset = prepare(experiment(kind, "cuda"), table())
    batch = next(iter(WindowLoader(dataset.source, dataset.parts.train, 16, seed=1)))
    assert {part.device.type for part in (*batch.context[:4], *batch.truth)} == {"cuda"}


@pytest.mark.parametrize("kind", ["gru", "patch-gru", "transformer"])
def test_a_model_of_the_gpu_predicts_on_the_cpu(kind: str, tmp_path: Path) -> None:
    """Prevents: a folder that only a machine with a GPU can read."""
    fitted = tsforge.fit(experiment(kind, "cuda"), table(), out=tmp_path / "model")
    model = directory.load(tmp_path / "model")
    assert {p.device.type for p in model.network.parameters()} == {"cpu"}
    own = tsforge.predict(fitted.model, table()).frame
    again = tsforge.predict(model, table()).frame
    pd.testing.assert_frame_equal(own, again)


@pytest.mark.parametrize("precision", ["32", "auto", "bf16"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "patch-gru", "transformer"])
def test_every_precision_trains(kind: str, precision: str) -> None:
    """Prevents: an operation that mixes brain floats and single precision."""
    fitted = tsforge.fit(experiment(kind, "cuda", **{"train.precision": precision}), table())
    assert np.isfinite(fitted.rounds[-1].validation)


def test_two_trainings_with_one_seed_are_alike() -> None:
    """Prevents: random numbers of the device that the seed does not reach."""
    one, two = (tsforge.fit(experiment("lstm", "cuda"), table()).rounds[-1].validation for _ in range(2))
    assert one == pytest.approx(two, rel=1e-4)


def test_zero_is_pretrained_and_forecasts_on_the_device() -> None:
    """Prevents: series, cuts or features that are made on another device than the network."""
    from tsforge.training.pretraining import loop
    from tsforge.training.pretraining.config import Budget, build

    config = build({"model.width": 32, "train.series": 16, "train.length": 120})
    result = loop.pretrain(config, Budget(steps=3), "cuda")
    assert all(torch.isfinite(p).all() for p in result.network.parameters())
    fitted = tsforge.fit(experiment("zero", "cuda", **{"train.max_steps": 2}), table())
    assert np.isfinite(tsforge.predict(fitted.model, table()).point).all()
