"""Trainings side by side: each ends as it does alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tsforge
from tests.helpers.tables import hourly
from tsforge.data.dataset import Dataset, prepare
from tsforge.experiment import Experiment
from tsforge.training import fitting, single, stacked
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Round
from tsforge.training.loop import Trained


def prepared(kind: str = "gru", **settings: object) -> tuple[Experiment, Dataset]:
    quick = {
        "model.kind": kind, "model.width": 8, "data.horizon": 6, "data.context": 24, "train.max_steps": 40,
        "train.batch_size": 16, "train.patience": 99,
    }  # fmt: skip
    experiment = tsforge.build(quick | settings)
    return experiment, prepare(experiment.data, hourly(12, seed=3, gap=True), experiment.model)


def together(*several: tuple[Experiment, Dataset]) -> list[Trained]:
    loops = [single.begin(*one) for one in several]
    assert stacked.run(loops) == [None] * len(loops)
    return [loop.finish() for loop in loops]


def curve(trained: Trained) -> list[tuple[float, ...]]:
    return [(r.step, r.train, r.validation, r.windows, r.best) for r in trained.rounds]


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "transformer"])
def test_one_alone_is_the_same_bits_as_lightnings_loop(kind: str) -> None:
    """Prevents: another order of windows, rates, clips, averages or validations in the loop that packs."""
    data = prepared(kind, **{"model.backbone.layers": 2, "model.backbone.dropout": 0.2})
    (mine,), theirs = together(data), fitting.train(*data)
    assert curve(mine) == curve(theirs)
    for name, value in theirs.network.state_dict().items():
        assert torch.equal(mine.network.state_dict()[name], value)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "transformer"])
def test_each_ends_as_alone(kind: str) -> None:
    """Rounding alone tells them apart: sums are taken in another order, over 40 steps."""
    several = [
        prepared(kind, seed=1),
        prepared(kind, **{"seed": 2, "train.lr": 0.003}),
        prepared(kind, **{"seed": 2, "train.weight_decay": 0.1, "train.schedule": "constant"}),
    ]
    found = together(*several)
    for data, mine in zip(several, found, strict=True):
        alone = fitting.train(*data)
        np.testing.assert_allclose([r.validation for r in mine.rounds], [r.validation for r in alone.rounds], rtol=2e-3)
        assert mine.stop == alone.stop
    assert len({r.rounds[-1].validation for r in found}) == 3


def test_the_end_of_one_is_not_that_of_the_others() -> None:
    """Prevents: patience, a pruner's word or an error of one that ends all."""
    several = [prepared(seed=1), prepared(**{"train.patience": 1, "train.lr": 0.3}), prepared(seed=3), prepared(seed=4)]

    def ends(event: object) -> None:
        if isinstance(event, Round) and event.step >= 10:
            raise ValueError("enough")

    loops = [single.begin(*one, ends if i == 2 else None) for i, one in enumerate(several)]
    problems = stacked.run(loops)
    assert [type(problem) for problem in problems] == [type(None), type(None), ValueError, type(None)]
    first, second, _, last = loops
    assert (first.learner.steps, last.learner.steps) == (40, 40)
    assert second.finish().stop == "patience"
    assert second.learner.steps < 40
    assert first.monitor.rounds[-1].validation == pytest.approx(
        fitting.train(*several[0]).rounds[-1].validation, rel=2e-3
    )


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_one_that_diverges_does_not_disturb(kind: str) -> None:
    """Prevents: NaN that reaches other members through the zeros between them."""
    several = [prepared(kind, seed=1), prepared(kind, **{"seed": 2, "train.lr": 1e30}), prepared(kind, seed=3)]
    loops = [single.begin(*one) for one in several]
    assert stacked.run(loops) == [None] * 3
    assert loops[1].monitor.stop == "diverged"
    for i in (0, 2):
        alone = fitting.train(*several[i])
        assert loops[i].monitor.rounds[-1].validation == pytest.approx(alone.rounds[-1].validation, rel=2e-3)


def test_a_pack_goes_on_from_checkpoints(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    several = [prepared(seed=1), prepared(seed=2)]

    class KilledError(Exception): ...

    def kill(event: object) -> None:
        if isinstance(event, Round) and event.step >= 20:
            raise KilledError

    keeps = [Checkpoint.of(folder, str(i)) for i in range(2)]
    stacked.run([single.begin(*one, kill, keep) for one, keep in zip(several, keeps, strict=True)])
    again = [single.begin(*one, None, keep) for one, keep in zip(several, keeps, strict=True)]
    stacked.run(again)
    for mine, whole in zip(again, together(*several), strict=True):
        assert [r.validation for r in mine.monitor.rounds] == [r.validation for r in whole.rounds]


def test_what_can_be_packed() -> None:
    """Prevents: networks of two shapes in one computation, and packs that are never found."""
    base = stacked.likeness(*prepared("gru"))
    assert base == stacked.likeness(*prepared("gru", **{"seed": 9, "train.lr": 0.1, "model.backbone.dropout": 0.3}))
    others = [
        prepared("lstm"), prepared("gru", **{"model.width": 16}), prepared("gru", **{"data.context": 12}),
        prepared("gru", **{"train.batch_size": 8}), prepared("gru", **{"model.backbone.layers": 2}),
    ]  # fmt: skip
    assert base not in [stacked.likeness(*one) for one in others]
    naive = tsforge.build({"model.kind": "naive"})
    assert stacked.likeness(naive, prepared("gru")[1]) is None
    assert stacked.likeness(*prepared("gru", **{"train.precision": "bf16"})) is None
    assert stacked.gain(*prepared("gru"), 3) > 0
