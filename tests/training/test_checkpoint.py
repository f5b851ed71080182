"""A training that was killed goes on where it was, and ends where it would have ended."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest
import torch

import tsforge
from tests.helpers.tables import hourly
from tsforge.data.dataset import Dataset, prepare
from tsforge.experiment import Experiment
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Round, Tick
from tsforge.training.fitting import train
from tsforge.training.loop import Trained, cells, half
from tsforge.training.monitor import State


class KilledError(Exception):
    """What a test does to a training."""


def prepared(kind: str, **settings: object) -> tuple[Experiment, Dataset]:
    """60 steps of some six epochs, with dropout, validated every third step."""
    quick = {
        "model.kind": kind, "model.width": 8, "model.backbone.layers": 2, "model.backbone.dropout": 0.2,
        "data.horizon": 6, "data.context": 24, "train.max_steps": 60, "train.batch_size": 16, "train.patience": 99,
    }  # fmt: skip
    experiment = tsforge.build(quick | settings)
    return experiment, prepare(experiment.data, hourly(12, seed=3, gap=True), experiment.model)


def until(step: int) -> object:
    """Reports that kill the training at the first sign of life after a step."""

    def report(event: Round | Tick) -> None:
        if event.step >= step:
            raise KilledError

    return report


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return trained.network.state_dict()


def same(a: Trained, b: Trained) -> None:
    assert all(torch.equal(x, weights(b)[name]) for name, x in weights(a).items())
    assert [(r.step, r.train, r.validation, r.windows, r.best) for r in a.rounds] == [
        (r.step, r.train, r.validation, r.windows, r.best) for r in b.rounds
    ]
    assert a.stop == b.stop


@pytest.mark.parametrize(("kind", "step"), [("lstm", 1), ("lstm", 14), ("gru", 40), ("transformer", 29)])
def test_a_killed_training_ends_as_if_it_had_not_been(kind: str, step: int, tmp_path: Path) -> None:
    """Prevents: windows seen twice or never, forgotten moments, another rate or dropout after a restart."""
    data, keep = prepared(kind), Checkpoint.of(tmp_path, "a")
    whole = train(*data)
    with pytest.raises(KilledError):
        train(*data, until(step), keep)
    heard: list[Round | Tick] = []
    again = train(*data, heard.append, keep)
    same(whole, again)
    rounds = [e for e in heard if isinstance(e, Round)]
    assert [r._replace(again=False) for r in rounds] == list(again.rounds)  # whoever listens now hears the whole curve
    assert [r.again for r in rounds] == [r.step < step for r in rounds]
    ticks = [e.step for e in heard if isinstance(e, Tick)]
    assert ticks == [t for t in (20, 40, 60) if t > (step - 1) // 3 * 3]  # and the first steps were not taken again


def test_killed_again_and_again_and_after_the_last_step(tmp_path: Path) -> None:
    data, keep = prepared("gru"), Checkpoint.of(tmp_path, "a")
    for step in (9, 21, 33):
        with pytest.raises(KilledError):
            train(*data, until(step), keep)
    finished = train(*data, None, keep)
    same(train(*data), finished)
    ticks: list[Round | Tick] = []
    same(finished, train(*data, ticks.append, keep))
    assert not [e for e in ticks if isinstance(e, Tick)]


def test_patience_is_remembered(tmp_path: Path) -> None:
    """Prevents: a training that ended by itself and is gone on with because it was killed while it was scored."""
    data, keep = prepared("gru", **{"train.patience": 1, "train.lr": 0.05}), Checkpoint.of(tmp_path, "a")
    whole = train(*data)
    assert whole.stop == "patience"
    train(*data, None, keep)
    same(whole, train(*data, None, keep))


@pytest.mark.parametrize("harm", ["cut", "other", "text"])
def test_what_cannot_be_used_is_said_and_left(harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a damaged file that ends the sweep, and weights of another experiment."""
    data, keep = prepared("rnn"), Checkpoint.of(tmp_path, "a")
    with pytest.raises(KilledError):
        train(*data, until(30), keep)
    content = keep.path.read_bytes()
    if harm == "other":
        Checkpoint(keep.path, "b").write(State({"x": torch.zeros(1)}, {}))
    else:
        keep.path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"no tensors")
    with caplog.at_level(logging.WARNING, logger="tsforge"):
        again = train(*data, None, keep)
    assert "training begins anew" in caplog.text
    same(train(*data), again)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "patch-gru", "patch-lstm", "growth-gru", "transformer"])
def test_every_network_computes_in_brain_floats(kind: str) -> None:
    """Prevents: a step of a cell that mixes the precisions of its state and its input, and is refused by torch."""
    trained = train(*prepared(kind, **{"train.precision": "bf16", "train.max_steps": 2}))
    assert all(math.isfinite(r.validation) for r in trained.rounds)


def test_brain_floats_are_close_and_weights_stay_single() -> None:
    """bf16 has eight bits of mantissa: the loss moves by per cents, not by more."""
    single = train(*prepared("transformer"))
    brain = train(*prepared("transformer", **{"train.precision": "bf16"}))
    assert {v.dtype for v in weights(brain).values()} == {torch.float32}
    assert any(not torch.equal(v, weights(single)[name]) for name, v in weights(brain).items())
    assert brain.rounds[-1].validation == pytest.approx(single.rounds[-1].validation, rel=0.05)


def test_brain_floats_are_automatic_on_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda _emulated: True)
    assert half("auto", "cuda")
    assert not half("auto", "cpu")
    assert half("bf16", "cpu")
    assert not half("32", "cuda")
    assert not half("cells", "cuda")


@pytest.mark.parametrize("value", ["32", 32, 32.0])
def test_single_precision_as_a_word_or_a_number(value: object) -> None:
    """Prevents: `--set train.precision=32` refused, as a command line makes a number of it."""
    assert tsforge.build({"train.precision": value}).train.precision == "32"


@pytest.mark.parametrize("able", [{"avx512_bf16": True}, {"amx_bf16": True}, {"avx2": True}, {}])
def test_cells_in_brain_floats_where_the_processor_has_them(
    able: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: brain floats that are emulated, or that nobody wanted."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert Experiment().train.precision == "cells"
    expected = "avx2" not in able and bool(able)
    assert cells("cells", "cpu") == cells("auto", "cpu") == expected
    assert not any(cells(*given) for given in (("32", "cpu"), ("bf16", "cpu"), ("cells", "cuda"), ("auto", "cuda")))


@pytest.mark.parametrize("kind", ["lstm", "patch-lstm"])
def test_cells_in_brain_floats_learn_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: cells that stay in single precision where brain floats were wanted, others that do not, gradients lost
    on the way, and forecasts of a trained model in brain floats."""
    single = train(*prepared(kind, **{"train.precision": "32"}))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    brain = train(*prepared(kind))
    assert any(not torch.equal(v, weights(single)[name]) for name, v in weights(brain).items())
    for value in weights(brain).values():
        assert value.dtype == torch.float32
        assert value.isfinite().all()
    assert brain.rounds[-1].validation == pytest.approx(single.rounds[-1].validation, rel=0.05)
    others = (train(*prepared("gru", **{"train.precision": precision})) for precision in ("32", "cells"))
    left, right = (weights(trained) for trained in others)
    assert all(torch.equal(left[name], right[name]) for name in left)
