"""Two processes that train one network, beside one that trains it alone."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import tsforge
from tests.helpers.pair import COUNT, together
from tsforge.batch import Batch, Context, Truth
from tsforge.errors import DataError, TsforgeError
from tsforge.forecast import masked_mean
from tsforge.training import fitting, single
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.distributed import ranks, torchrun
from tsforge.training.events import Event, Report, Round
from tsforge.training.loop import TrainingLoop

STEPS, HALT = 17, 9


def halt(event: Event) -> None:
    """A training that is killed after a validation, before its state is kept."""
    if isinstance(event, Round) and event.step == HALT:
        raise InterruptedError


def loop(
    settings: dict[str, Any] | None = None, checkpoint: Checkpoint | None = None, report: Report | None = None
) -> TrainingLoop:
    """A training on one series, of which windows have very different shares of missing values."""
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(200) * 2 * np.pi / 24) + 0.3 * rng.normal(size=200)
    values[60:200][rng.random(140) < 0.6] = np.nan
    times = pd.date_range("2024-01-01", periods=200, freq="h")
    frame = pd.DataFrame({"time": times, "load": values})
    usual = {
        "data.horizon": 6, "data.context": 24, "data.season": 24, "model.kind": "gru", "model.width": 8,
        "train.batch_size": 9, "train.max_steps": STEPS, "train.validations": STEPS, "train.lr": 0.01,
        "train.precision": "32", "train.patience": 99,
    }  # fmt: skip
    experiment = tsforge.build(usual | (settings or {}))
    dataset = fitting.prepare(experiment, frame)
    return single.begin(experiment.on(dataset.config, dataset.sizes.narrow), dataset, report, checkpoint)


def watched(training: TrainingLoop) -> dict[str, Any]:
    """Run it; what it was given to learn and to judge, and what came of it."""
    learned: list[list[int]] = []
    judged: list[int] = []
    back, judge = training.learner.back, training.learner.judge

    def learning(batch: Batch) -> Tensor:
        learned.append(batch.context.ordinal.tolist())
        return back(batch)

    def judging(batch: Batch) -> None:
        judged.extend(batch.context.ordinal.tolist())
        judge(batch)

    training.learner.back = learning  # type: ignore[method-assign]
    training.learner.judge = judging  # type: ignore[method-assign]
    training.run()
    trained = training.finish()
    weights = {name: value.numpy() for name, value in trained.network.state_dict().items()}
    found = {"learned": learned, "judged": judged, "rounds": trained.rounds, "stop": trained.stop, "weights": weights}
    return found | {"epoch": len(training.loader)}


class Two(nn.Module):
    """A network of two tensors, one of which takes part in no loss."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Parameter(torch.tensor([0.5, -1.0])), nn.Parameter(torch.ones(3))

    def loss(self, batch: Batch) -> Tensor:
        return masked_mean((self.used[0] * batch.truth.target + self.used[1]) ** 2, batch.truth.observed)


def unequal() -> Batch:
    """Five windows: one without a gap, others with hardly a value."""
    random = torch.Generator().manual_seed(1)
    target = torch.randn(5, 4, 1, generator=random)
    observed = torch.rand(5, 4, 1, generator=random) < torch.tensor([1.0, 0.1, 0.3, 0.5, 0.7])[:, None, None]
    context = Context(target, observed, target, target, target[:, 0], torch.arange(5))
    return Batch(context, Truth(target, observed))


def of(batch: Batch, here: slice) -> Batch:
    return Batch(batch.context, Truth(batch.truth.target[here], batch.truth.observed[here]))


def scenes() -> dict[str, Any]:
    """What one of two processes does, one thing after the other."""
    here = ranks.current()
    assert here is not None
    rank, seen = here.place.rank, dict[str, Any]()
    seen["training"] = watched(loop())

    for name, part in {"strided": slice(rank, None, COUNT), "empty": slice(0, 5 * (1 - rank))}.items():
        network = Two()
        loss = here.back(network.loss, of(unequal(), part), list(network.parameters()))
        seen[name] = float(loss), [p.grad.numpy() for p in network.parameters() if p.grad is not None]

    asked = loop({"train.max_steps": 400, "train.validations": 1})
    step = asked.learner.step

    def stepping(loss: Tensor) -> None:
        step(loss)
        if rank == 1 and asked.learner.steps == 20:
            asked.monitor.interrupt()

    asked.learner.step = stepping  # type: ignore[method-assign]
    seen["interrupt"] = watched(asked)
    late = loop({"train.max_steps": 40, "train.max_time": 1e-6 if rank == 1 else 600.0})
    seen["time"] = watched(late)["rounds"][-1].step

    with TemporaryDirectory() as place:
        folder = Path(here.shared(place))  # of the first, which alone may write
        file = Checkpoint(folder / "state" if rank == 0 else Path(place) / "nowhere", "training")
        dropping = {"model.kind": "transformer", "model.backbone.dropout": 0.3}
        whole = watched(loop(dropping))
        with suppress(InterruptedError):
            loop(dropping, file, halt).run()
        resumed = watched(loop(dropping, file))
        seen["resumed"] = len(resumed["learned"]), [(s["weights"], s["rounds"]) for s in (whole, resumed)]
        seen["written"] = (Path(place) / "nowhere").exists()

    def fails() -> str:
        if rank == 1:
            raise DataError("no column 'load'", "name it")
        return "made"

    for name, work in {"failed": fails, "other": lambda: f"data of {rank}"}.items():
        try:
            torchrun.alike(work, lambda made: made)
        except (TsforgeError, torchrun.Follows) as problem:
            seen[name] = repr(problem)
    seen["same"] = torchrun.alike(lambda: "made", lambda made: made)
    return seen


def late() -> float:
    """What the second of two does for longer than anybody waits without a sign, and the sum of both afterwards."""
    here = ranks.current()
    assert here is not None
    if not here.first:
        time.sleep(1.5 * here.place.patience)
    return here.sum(here.place.rank + 1.0)[0]


def test_a_long_validation_is_no_death() -> None:
    """Prevents: processes that end all others, as one of them took longer than they wait for one that is gone."""
    assert together(late, patience=2.0) == [3.0, 3.0]


@pytest.fixture(scope="module")
def both() -> list[dict[str, Any]]:
    return together(scenes)


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return watched(loop())


Scenes = list[dict[str, Any]]


def test_every_step_is_that_of_one_process(both: Scenes, alone: dict[str, Any]) -> None:
    """Prevents: a mean of ranks' means, whose gradient weighs a value by how many others its rank has; validations
    that count windows twice."""
    for seen in both:
        found, expected = (np.array([r[:3] for r in s["rounds"]]) for s in (seen["training"], alone))
        assert len(expected) == STEPS
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        for name, value in alone["weights"].items():
            np.testing.assert_allclose(seen["training"]["weights"][name], value, atol=1e-5, err_msg=name)


def test_ranks_have_the_same_weights_to_the_last_bit(both: Scenes) -> None:
    """Prevents: processes that drift apart."""
    first, second = (seen["training"] for seen in both)
    assert first["rounds"][-1].validation == second["rounds"][-1].validation
    for name, value in first["weights"].items():
        assert value.tobytes() == second["weights"][name].tobytes(), name


def test_every_window_is_seen_once(both: Scenes, alone: dict[str, Any]) -> None:
    """Prevents: windows that both ranks train on, or none; another order than that of one process."""
    first, second = (seen["training"] for seen in both)
    for a, b, batch in zip(first["learned"], second["learned"], alone["learned"], strict=True):
        assert sorted(a + b) == sorted(batch)
        assert abs(len(a) - len(b)) <= 1
    assert sorted(first["judged"] + second["judged"]) == sorted(alone["judged"])
    assert len(alone["learned"]) > alone["epoch"]
    assert len(alone["learned"][alone["epoch"] - 1]) < len(alone["learned"][0])  # the last one of an epoch


@pytest.mark.parametrize("name", ["strided", "empty"])
def test_gradients_are_those_of_the_whole_batch(name: str, both: Scenes) -> None:
    """Prevents: weights apart from each other (as on a GPU) that are summed wrongly; a rank without a window, or a
    weight without a gradient, for which the others wait."""
    network = Two()
    loss = network.loss(unequal())
    loss.backward()  # type: ignore[no-untyped-call]
    assert network.used.grad is not None
    for seen in both:
        found, (used, unused) = seen[name]
        assert found == pytest.approx(float(loss.detach()), rel=1e-6)
        np.testing.assert_allclose(used, network.used.grad.numpy(), rtol=1e-5, atol=1e-7)
        assert not unused.any()


def test_all_stop_where_one_is_asked_to(both: Scenes) -> None:
    """Prevents: a rank that stops alone, for which the others wait; a clock that differs between machines."""
    steps = [seen["interrupt"]["rounds"][-1].step for seen in both]
    assert [seen["interrupt"]["stop"] for seen in both] == ["interrupt"] * 2
    assert steps[0] == steps[1] < 40
    assert [seen["time"] for seen in both] == [40, 40]


def test_a_checkpoint_of_the_first_is_enough(both: Scenes) -> None:
    """Prevents: machines that begin anew where the first goes on, or draw other random numbers than before."""
    for seen in both:
        steps, ((weights, rounds), (again, gone_on)) = seen["resumed"]
        assert steps == STEPS - HALT + 1
        assert [r[:3] for r in rounds] == [r[:3] for r in gone_on]
        for name, value in weights.items():
            assert value.tobytes() == again[name].tobytes(), name
        assert not seen["written"]


def test_what_one_cannot_read_the_first_says(both: Scenes) -> None:
    """Prevents: an error on another machine that nobody sees; machines that train on different tables."""
    first, second = both
    assert "process 2 of 2): no column 'load'" in first["failed"]
    assert "process 2 of 2" in first["other"]
    assert "other data" in first["other"]
    assert second["failed"] == second["other"] == "Follows(2)"
    assert [seen["same"] for seen in both] == ["made", "made"]
