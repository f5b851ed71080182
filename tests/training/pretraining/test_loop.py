"""A pretraining of a few steps: made again, stopped and gone on with, and saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

import tsforge
from tsforge.errors import TrainingError
from tsforge.fitted import zero_shot
from tsforge.model.backbones.residual import Mixer
from tsforge.training.events import Stop
from tsforge.training.pretraining import loop, saving
from tsforge.training.pretraining.config import Budget, Pretraining, build

SMALL = {"model.width": 32, "model.layers": 1, "train.series": 6, "train.length": 60, "train.chunks": 2}


def small(**settings: object) -> Pretraining:
    return build(SMALL | {name.replace("__", "."): value for name, value in settings.items()})


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("mixer", get_args(Mixer))
def test_the_same_seed_gives_the_same_weights(mixer: Mixer) -> None:
    """Prevents: weights that cannot be made again, and seeds that change nothing."""
    config = small(model__mixer=mixer)
    first, again = (loop.pretrain(config, Budget(steps=3), "cpu") for _ in range(2))
    other = loop.pretrain(small(model__mixer=mixer, seed=2), Budget(steps=3), "cpu")
    assert torch.equal(weights(first.network), weights(again.network))
    assert not torch.equal(weights(first.network), weights(other.network))
    assert first.steps == 3
    assert first.stop == Stop.STEPS


@pytest.mark.parametrize("after", [1, 3])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(after: int, tmp_path: Path) -> None:
    """Prevents: hours of training that were stopped and come out otherwise, or begin anew."""
    config, budget, kept = small(), Budget(steps=5), tmp_path / "kept.safetensors"
    whole = loop.pretrain(config, budget, "cpu")

    def stop(stopped: loop.Pretrainer, steps: int) -> loop.Pretrained:
        step = stopped.step

        def counted() -> float:
            loss = step()
            if stopped.steps == steps:
                stopped.interrupt()
            return loss

        stopped.step = counted  # type: ignore[method-assign]
        return stopped.run(lambda _: None)

    meaning = f"{config.model_dump_json()} {budget} cpu"
    part = stop(loop.Pretrainer(config, budget, "cpu", loop.Checkpoint(kept, meaning)), after)
    assert (part.stop, part.steps) == (Stop.INTERRUPT, after)
    rest = loop.pretrain(config, budget, "cpu", kept=kept)
    assert torch.equal(weights(whole.network), weights(rest.network))
    assert (rest.steps, rest.sequences) == (whole.steps, whole.sequences)
    other = loop.pretrain(small(seed=9), Budget(steps=1), "cpu", kept=kept)  # whose checkpoint it is not
    assert other.steps == 1


def test_a_clock_ends_a_training_and_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: hours that are counted in steps, or a rate that has not fallen when the time is up."""
    clock = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    rates: list[float] = []
    trained = loop.Pretrainer(small(), Budget(seconds=100.0), "cpu")
    step = trained.step

    def timed() -> float:
        loss = step()
        rates.append(trained.optimizer.param_groups[0]["lr"])
        clock[0] += 9.0
        return loss

    monkeypatch.setattr(trained, "step", timed)
    result = trained.run(lambda _: None)
    assert result.steps == 12
    assert rates[1:8] == [trained.train.lr] * 7
    assert rates[8:] == sorted(rates[8:], reverse=True)
    assert rates[-1] < 0.02 * trained.train.lr


def test_learning_lowers_the_loss() -> None:
    """Prevents: steps in the wrong direction, or a loss that says nothing."""
    losses: list[float] = []
    config = small(train__series=32, train__lr=0.01, mixture__seasons=0)
    loop.pretrain(config, Budget(steps=40), "cpu", lambda progress: losses.append(progress.loss))
    assert len(losses) == 4
    before = loop.Pretrainer(config, Budget(steps=1), "cpu")
    after = loop.pretrain(config, Budget(steps=40), "cpu").network.train()
    batch = loop.Pretrainer(small(train__series=64, seed=77), Budget(steps=1), "cpu").batch()
    with torch.no_grad():
        assert batch.loss(after) < 0.97 * batch.loss(before.network)


def test_a_loss_that_is_no_number_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: hours spent on weights that are no numbers."""
    trained = loop.Pretrainer(small(), Budget(steps=5), "cpu")
    monkeypatch.setattr(trained, "step", lambda: float("nan"))
    monkeypatch.setattr(loop, "TICK", 1)
    with pytest.raises(TrainingError, match="not a number"):
        trained.run(lambda _: None)


def test_what_is_saved_is_a_model_of_no_table(tmp_path: Path) -> None:
    """Prevents: weights that the ordinary directory cannot load, and a card that does not make them again."""
    config, folder = small(), tmp_path / "zero"
    result = loop.pretrain(config, Budget(steps=2), "cpu")
    saving.save(result, config, folder, {"commit": "abc"})
    assert torch.equal(weights(tsforge.load(folder).network), weights(result.network))
    assert zero_shot.place(folder) == folder
    card = json.loads((folder / "card.json").read_text())
    assert (card["commit"], card["seed"], card["steps"], card["licence"]) == ("abc", 1, 2, "Apache-2.0")
    assert Pretraining.model_validate(card["pretraining"]) == config
    assert not any(path.suffix in (".pkl", ".pt", ".ckpt") for path in folder.iterdir())
